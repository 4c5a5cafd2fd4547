// English texts of alerts.
import type { Language } from "./text.ts";

const nextRun = "The next run tries it again; nothing that was copied is copied twice.";

export const en: Language = {
  words: {
    severities: { info: "Info", warning: "Warning", critical: "Critical" },
    recovered: "Recovered",
    stillGoing: "Still going on",
    happened: "What happened",
    since: "Since",
    means: "What it means",
    toDo: "What to do",
    job: "Job",
    record: "Record",
    runbook: "Runbook",
    never: "never",
    colon: ": ",
    comma: ", ",
    times: (count) => `${count} times`,
    digestTitle: (count) => `${count} alerts in one message`,
    digestIntroduction: ({ critical, warning, info, recovered }, from, to) =>
      `${critical} critical, ${warning} warnings, ${info} for information, ${recovered} recovered; ${from} to ${to}`,
    more: (count) => `and ${count} more`,
    all: "All of them",
    cut: "… (cut)",
    testTitle: "Test message",
    testText: (channel, by) =>
      `This is a test of the channel ${channel}, asked for by ${by}. Nothing has happened, and nothing is to be done.`,
    recoveredMeans: "The trouble that was reported is over.",
    recoveredToDo: "Nothing. If it comes and goes often, look for the cause in the runbook.",
  },
  events: {
    ScheduledRunStarted: {
      title: "A scheduled run was started",
      happened: ({ schedule, runId }) => `The schedule ${schedule} started the run ${runId}.`,
      means: "The schedule works.",
      toDo: "Nothing.",
    },
    BackupReplicated: {
      title: "A backup was copied",
      happened: ({ backupId, instanceId, bytes, proof }, write) =>
        `Backup ${backupId} of ${instanceId} (${write.bytes(bytes)}) is in S3; proof: ${proof}.`,
      means: "There is one more recovery point, with a signed receipt.",
      toDo: "Nothing.",
    },
    BackupCopyFailed: {
      title: "A backup was not copied",
      happened: ({ backupId, instanceId, error, cause }) =>
        `Copying backup ${backupId} of ${instanceId} was abandoned: ${error}: ${cause}`,
      means: `This backup is not in S3. ${nextRun}`,
      toDo: "Look up the error's name in the runbook. If the next run fails too, the cause has to be cured by hand.",
    },
    BackupProofFailed: {
      title: "A copy does not equal its source",
      happened: ({ backupId, instanceId, error, cause }) =>
        `The bytes that arrived of backup ${backupId} of ${instanceId} are not the source's: ${error}: ${cause}`,
      means:
        "The copy was refused and does not exist. Either bytes were damaged on the way, or the source states a wrong checksum.",
      toDo: "Wait for one more run. If it happens again for the same backup, have Aliyun check the backup file.",
    },
    BackupUnverified: {
      title: "A copy is proven by its length only",
      happened: ({ backupId, instanceId, key }) =>
        `Backup ${backupId} of ${instanceId} is at ${key}, but its source states no checksum.`,
      means:
        "Length and ETag are equal, the bytes were not compared with a checksum of the source. It does not count as verified.",
      toDo: "If the backup matters, restore it once as a trial, or compare it by: npx causeway verify … --read-data.",
    },
    BackupInvalid: {
      title: "A backup was refused",
      happened: ({ backupId, instanceId, reason }) => `Backup ${backupId} of ${instanceId} is not copied: ${reason}`,
      means: "There is no copy of this backup, and there will be none while the reason stands.",
      toDo: "The runbook says of each reason what can be done. If another backup of that day was copied, nothing is missing.",
    },
    EgressLimitReached: {
      title: "The month's egress limit is reached",
      happened: ({ backupId, instanceId, limitBytes, usedBytes }, write) =>
        `Backup ${backupId} of ${instanceId} would pass the limit: ${write.bytes(usedBytes)} of ${write.bytes(limitBytes)} are used.`,
      means: "No backup is copied that does not fit into the rest of this month's limit.",
      toDo: "Raise replication.monthlyEgressLimitBytes of the stage, or wait for the next month.",
    },
    ReplicationRunFinished: {
      title: "A replication run ended",
      happened: ({ runId, state, sentence }) => `The run ${runId} ended as ${state}: ${sentence}`,
      means: "If it failed, it broke off before or beside its copies: new backups of this run may not be in S3.",
      toDo: "Read the job and its error. Cure the cause, then start a run by hand or wait for the next one.",
    },
    SnapshotInvalid: {
      title: "A snapshot was refused",
      happened: ({ databaseId, snapshotArn, reason }) =>
        `Snapshot ${snapshotArn} of ${databaseId} is not exported: ${reason}`,
      means: "There is no export of this snapshot, and there will be none while the reason stands.",
      toDo: "The runbook says of each reason what can be done.",
    },
    SnapshotExported: {
      title: "A snapshot was exported",
      happened: ({ databaseId, tables, files }) => `${databaseId} was exported: ${tables} tables in ${files} files.`,
      means: "There is one more export as Parquet, for analysis. It is no backup that can be restored.",
      toDo: "Nothing.",
    },
    SnapshotExportPartial: {
      title: "A snapshot export is incomplete",
      happened: ({ databaseId, missing }) =>
        `The export of ${databaseId} ended, but left out ${missing.length}: ${missing.slice(0, 10).join(", ")}${missing.length > 10 ? " …" : ""}`,
      means: "RDS calls the task complete, yet some tables are not in it. It does not count as exported.",
      toDo: "The receipt names each table and its reason. Cure what can be cured, then export again.",
    },
    SnapshotExportFailed: {
      title: "A snapshot export failed",
      happened: ({ databaseId, snapshotArn, error, cause }) =>
        `Exporting ${snapshotArn} of ${databaseId} failed: ${error}: ${cause}`,
      means: "There is no export of this snapshot. The next run begins a new attempt.",
      toDo: "Look up the error's name in the runbook; most are about the key, the role or the bucket.",
    },
    SnapshotExportCancelled: {
      title: "A snapshot export was cancelled",
      happened: ({ databaseId, snapshotArn }) => `The export of ${snapshotArn} of ${databaseId} was cancelled.`,
      means: "What was written by then stays in the bucket and is no export.",
      toDo: "Nothing, if it was meant. Else start it again.",
    },
    ObjectMirrored: {
      title: "An object was mirrored",
      happened: ({ sourceKey, targetKey, bytes }, write) =>
        `${sourceKey} (${write.bytes(bytes)}) is in OSS at ${targetKey}, with an equal CRC-64.`,
      means: "Aliyun OSS holds what S3 holds.",
      toDo: "Nothing.",
    },
    MirrorFailed: {
      title: "An object was not mirrored",
      happened: ({ sourceKey, targetKey, error, cause }) =>
        `${sourceKey} did not arrive in OSS at ${targetKey}: ${error}: ${cause}`,
      means: "The object is in S3 and not in OSS. The queue tries it again, then keeps it with the dead letters.",
      toDo: "Look up the error's name in the runbook; cure the cause, then redrive the queue or reconcile the mirror.",
    },
    MirrorLagging: {
      title: "The mirror lags behind",
      happened: ({ objects, oldestKey, oldestSince }, write) =>
        `${objects} objects are not in OSS yet; the oldest, ${oldestKey}, has waited since ${write.time(oldestSince)}.`,
      means: "If S3 were lost now, OSS would lack these objects.",
      toDo: "See whether the mirror works at all, and whether OSS refuses or throttles it; then reconcile.",
    },
    MirrorReconciled: {
      title: "S3 and OSS were compared",
      happened: ({ runId, state, sentence }) => `The comparison ${runId} ended as ${state}: ${sentence}`,
      means: "If it did not simply succeed, there are objects that differ, are missing, or are only in OSS.",
      toDo: "Read the job: it names what differs. What was missing is copied by itself; what only OSS has is left to you.",
    },
    RelayAccountLimited: {
      title: "A relay account is limited",
      happened: ({ name, provider, state, family, until, said }, write) =>
        `The account ${name} (${provider}) is ${state}${family === null ? "" : ` for ${family}`}${until === null ? "" : ` until ${write.time(until)}`}: ${said}`,
      means: "Requests go to other accounts. Where there is none, clients are told when to come back.",
      toDo: "Nothing, if it ends by itself and others serve. Else add an account, or raise this one's limit at its provider.",
    },
    RelayAccountBlocked: {
      title: "A relay account is blocked",
      happened: ({ name, provider, state, said }) => `The account ${name} (${provider}) is ${state}: ${said}`,
      means: "Nothing goes through this account any more until somebody has seen to it.",
      toDo: "See what the provider says: a key that was revoked, a bill that was not paid, an account that was closed. Then enter a new key or reset the account.",
    },
    RelayAccountRecovered: {
      title: "A relay account works again",
      happened: ({ name, provider, was }) => `The account ${name} (${provider}) serves again; it was ${was}.`,
      means: "Requests go through it as before.",
      toDo: "Nothing.",
    },
    RelayBudgetNear: {
      title: "A key nears its limit",
      happened: ({ keyId, limit, percent, usedNanoUsd, limitNanoUsd, resetAt }, write) =>
        `The key ${keyId} has used ${percent} % of its limit (${limit}): ${write.usd(usedNanoUsd)} of ${write.usd(limitNanoUsd)}${resetAt === null ? "" : `; it begins anew at ${write.time(resetAt)}`}.`,
      means: "At the limit its requests are refused; nothing can be overspent.",
      toDo: "Nothing, if that is what the limit is for. Else raise it, or top up the balance.",
    },
    RelayOverrun: {
      title: "An upstream reported more than was reserved",
      happened: ({ keyId, requests, nanoUsd, requestId }, write) =>
        `${requests} requests of the key ${keyId} cost ${write.usd(nanoUsd)} more than had been reserved, such as ${requestId}.`,
      means:
        "It was charged, so that the key's limit may have been passed by this much. The upstream counts otherwise than its price and its request promise.",
      toDo: "Look at the record. If the model's price or its largest output is wrong in the table, enter an override.",
    },
    RelayErrorRate: {
      title: "Relay requests fail",
      happened: ({ accountId, requests, errors, percent, minutes }) =>
        `${errors} of ${requests} requests (${percent} %) ${accountId === "" ? "through all accounts" : `through the account ${accountId}`} failed within ${minutes} minutes.`,
      means: "Clients see errors, or answers that break off.",
      toDo: "See the account's error history and the provider's status page; switch the account off if others can serve.",
    },
    RelayErrorRateNormal: {
      title: "Relay requests succeed again",
      happened: ({ accountId }) =>
        `Requests ${accountId === "" ? "through all accounts" : `through the account ${accountId}`} no longer fail.`,
      means: "The trouble is over.",
      toDo: "Nothing.",
    },
    RelayLatency: {
      title: "Relay answers come late",
      happened: ({ accountId, medianMilliseconds, usualMilliseconds, minutes }) =>
        `Half of the answers ${accountId === "" ? "of all accounts" : `of the account ${accountId}`} took longer than ${medianMilliseconds} ms to begin within ${minutes} minutes; ${usualMilliseconds} ms are usual.`,
      means: "Clients wait.",
      toDo: "See the provider's status page, and the account's proxy if it has one; give other accounts a higher priority.",
    },
    RelayLatencyNormal: {
      title: "Relay answers come in time again",
      happened: ({ accountId }) =>
        `Answers ${accountId === "" ? "of all accounts" : `of the account ${accountId}`} begin as fast as usual.`,
      means: "The trouble is over.",
      toDo: "Nothing.",
    },
    RelayUsageAnomaly: {
      title: "Relay usage is unusual",
      happened: ({ keyId, measure, value, usual, hour }, write) =>
        `${keyId === "" ? "All keys together" : `The key ${keyId}`} used ${measure === "cost" ? write.usd(value) : `${value} tokens`} in the hour from ${write.time(hour)}; ${measure === "cost" ? write.usd(usual) : usual} are usual at that hour.`,
      means: "Somebody works much more than usual, a program runs wild, or a key is in other hands.",
      toDo: "See who uses the key and from where. If in doubt, switch it off: that counts at once.",
    },
    RelayAuthenticationBurst: {
      title: "Many wrong relay keys",
      happened: ({ network, failures, minutes }) =>
        `From the network ${network} came ${failures} requests with a wrong key within ${minutes} minutes.`,
      means: "A program has an old key, or somebody tries keys. They cannot be guessed.",
      toDo: "Find the program. If it is none of yours, block the network in front of the API.",
    },
    RelayNewNetwork: {
      title: "A key is used from a new network",
      happened: ({ keyId, network, client }) =>
        `The key ${keyId} was used from ${network}${client === "" ? "" : ` by ${client}`}, where it had not been seen for 30 days.`,
      means: "Somebody travels, or a key is in other hands.",
      toDo: "Ask the key's owner. If it was not them, rotate the key; an address list keeps it where it belongs.",
    },
    NothingNew: {
      title: "No new recovery point",
      happened: ({ databaseId, lastAt, hours }, write) =>
        `Nothing new of ${databaseId} has arrived for more than ${hours} hours; the last one: ${write.time(lastAt)}.`,
      means: "Whether or not any job failed: this database's newest recovery point grows old.",
      toDo: "See whether its backups are still made, whether runs start, and whether they end well.",
    },
    ScheduleMissed: {
      title: "A schedule did not start its run",
      happened: ({ schedule, lastAt, hours }, write) =>
        `${schedule} was due and started nothing; it has been ${hours} hours. Its last start: ${write.time(lastAt)}.`,
      means: "What it starts does not happen until somebody looks.",
      toDo: "Look at the schedule in EventBridge Scheduler, the function start-run and the queue of missed runs; start the run by hand.",
    },
    DeadLettersWaiting: {
      title: "Dead letters wait",
      happened: ({ queue, holds, messages }) => `${messages} messages lie in ${queue}: ${holds}.`,
      means: "Work that failed for good waits for a person; nothing reads this queue by itself.",
      toDo: "Read the messages, cure the cause, then redrive or purge the queue.",
    },
    DeadLettersCleared: {
      title: "No dead letters wait any more",
      happened: ({ queue }) => `${queue} is empty again.`,
      means: "Somebody has seen to it.",
      toDo: "Nothing.",
    },
    AlertRecovered: {
      title: "An alert recovered",
      happened: ({ event, subject, since }, write) =>
        `${event}${subject === "" ? "" : ` (${subject})`}, since ${write.time(since)}, is over.`,
      means: "The trouble that was reported is over.",
      toDo: "Nothing.",
    },
  },
};
