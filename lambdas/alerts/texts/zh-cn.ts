// Simplified Chinese texts of alerts.
import type { Language } from "./text.ts";

const nextRun = "下一次运行会自动重试，已经传完的部分不会重复传输。";

export const zhCn: Language = {
  words: {
    severities: { info: "通知", warning: "警告", critical: "严重" },
    recovered: "已恢复",
    stillGoing: "仍在持续",
    happened: "发生了什么",
    since: "开始时间",
    means: "意味着什么",
    toDo: "应该怎么做",
    job: "任务",
    record: "记录",
    runbook: "运维手册",
    never: "从未有过",
    colon: "：",
    comma: "、",
    times: (count) => `共 ${count} 次`,
    digestTitle: (count) => `${count} 条告警合并为一条消息`,
    digestIntroduction: ({ critical, warning, info, recovered }, from, to) =>
      `严重 ${critical} 条，警告 ${warning} 条，通知 ${info} 条，已恢复 ${recovered} 条；时间：${from} 至 ${to}`,
    more: (count) => `以及另外 ${count} 个`,
    all: "查看全部",
    cut: "……（已截断）",
    testTitle: "测试消息",
    testText: (channel, by) => `这是对通道 ${channel} 的测试，由 ${by} 发起。没有发生任何问题，无需处理。`,
    recoveredMeans: "此前告警的问题已经结束。",
    recoveredToDo: "无需处理。如果反复出现，请按运维手册查找原因。",
  },
  events: {
    ScheduledRunStarted: {
      title: "定时运行已启动",
      happened: ({ schedule, runId }) => `计划 ${schedule} 启动了运行 ${runId}。`,
      means: "计划工作正常。",
      toDo: "无需处理。",
    },
    BackupReplicated: {
      title: "备份已复制",
      happened: ({ backupId, instanceId, bytes, proof }, write) =>
        `实例 ${instanceId} 的备份 ${backupId}（${write.bytes(bytes)}）已存入 S3，校验方式：${proof}。`,
      means: "新增了一个恢复点，并附有已签名的回执。",
      toDo: "无需处理。",
    },
    BackupCopyFailed: {
      title: "备份复制失败",
      happened: ({ backupId, instanceId, error, cause }) =>
        `实例 ${instanceId} 的备份 ${backupId} 复制中止，原因是 ${error}：${cause}`,
      means: `这个备份目前不在 S3 中。${nextRun}`,
      toDo: "请在运维手册中查找该错误名称。如果下一次运行仍然失败，需要人工排除原因。",
    },
    BackupProofFailed: {
      title: "副本与源文件不一致",
      happened: ({ backupId, instanceId, error, cause }) =>
        `实例 ${instanceId} 的备份 ${backupId} 传到的内容与源文件不同，${error}：${cause}`,
      means: "该副本已被拒绝，没有写入 S3。可能是传输途中数据损坏，也可能是源端给出的校验值有误。",
      toDo: "请等待下一次运行。如果同一个备份再次失败，请让阿里云检查这个备份文件。",
    },
    BackupUnverified: {
      title: "副本只通过了长度校验",
      happened: ({ backupId, instanceId, key }) =>
        `实例 ${instanceId} 的备份 ${backupId} 已存放在 ${key}，但源端没有提供校验值。`,
      means: "长度和 ETag 一致，但没有与源端的校验值比对过内容，因此不算“已验证”。",
      toDo: "如果这个备份很重要，请试恢复一次，或者执行 npx causeway verify … --read-data 进行比对。",
    },
    BackupInvalid: {
      title: "备份不符合复制条件",
      happened: ({ backupId, instanceId, reason }) =>
        `实例 ${instanceId} 的备份 ${backupId} 不会被复制，原因：${reason}`,
      means: "这个备份没有副本；在原因消除之前，也不会有副本。",
      toDo: "运维手册对每一种原因都有说明。如果当天的其他备份已经复制，就没有缺失。",
    },
    EgressLimitReached: {
      title: "本月出网流量已达上限",
      happened: ({ backupId, instanceId, limitBytes, usedBytes }, write) =>
        `复制实例 ${instanceId} 的备份 ${backupId} 将超过上限：已使用 ${write.bytes(usedBytes)}，上限 ${write.bytes(limitBytes)}。`,
      means: "凡是超出本月剩余额度的备份，都不会被复制。",
      toDo: "请调高该环境的 replication.monthlyEgressLimitBytes，或者等到下个月。",
    },
    ReplicationRunFinished: {
      title: "复制运行已结束",
      happened: ({ runId, state, sentence }) => `运行 ${runId} 结束，状态为 ${state}：${sentence}`,
      means: "如果状态是失败，说明运行在复制之前或过程中整体中断，本次的新备份可能没有进入 S3。",
      toDo: "请查看任务及其错误，排除原因后手动启动一次运行，或者等待下一次运行。",
    },
    SnapshotInvalid: {
      title: "快照不符合导出条件",
      happened: ({ databaseId, snapshotArn, reason }) =>
        `数据库 ${databaseId} 的快照 ${snapshotArn} 不会被导出，原因：${reason}`,
      means: "这个快照没有导出数据；在原因消除之前，也不会有。",
      toDo: "运维手册对每一种原因都有说明。",
    },
    SnapshotExported: {
      title: "快照已导出",
      happened: ({ databaseId, tables, files }) => `数据库 ${databaseId} 已导出：${tables} 张表，${files} 个文件。`,
      means: "新增了一份 Parquet 格式的导出，可用于分析；它不是可以直接恢复的备份。",
      toDo: "无需处理。",
    },
    SnapshotExportPartial: {
      title: "快照导出不完整",
      happened: ({ databaseId, missing }) =>
        `数据库 ${databaseId} 的导出已结束，但缺少 ${missing.length} 项：${missing.slice(0, 10).join("、")}${missing.length > 10 ? "……" : ""}`,
      means: "RDS 把该任务标记为完成，但部分表不在其中，因此不算导出成功。",
      toDo: "回执中列出了每张缺失的表及其原因。请先排除可以排除的原因，然后重新导出。",
    },
    SnapshotExportFailed: {
      title: "快照导出失败",
      happened: ({ databaseId, snapshotArn, error, cause }) =>
        `数据库 ${databaseId} 的快照 ${snapshotArn} 导出失败，${error}：${cause}`,
      means: "这个快照没有导出数据。下一次运行会重新尝试。",
      toDo: "请在运维手册中查找该错误名称；多数与密钥、角色或存储桶的权限有关。",
    },
    SnapshotExportCancelled: {
      title: "快照导出已取消",
      happened: ({ databaseId, snapshotArn }) => `数据库 ${databaseId} 的快照 ${snapshotArn} 的导出已被取消。`,
      means: "取消之前写出的文件仍留在存储桶中，但不构成一次导出。",
      toDo: "如果是有意取消，无需处理；否则请重新启动导出。",
    },
    ObjectMirrored: {
      title: "对象已镜像",
      happened: ({ sourceKey, targetKey, bytes }, write) =>
        `${sourceKey}（${write.bytes(bytes)}）已写入 OSS 的 ${targetKey}，CRC-64 一致。`,
      means: "OSS 与 S3 中的内容一致。",
      toDo: "无需处理。",
    },
    MirrorFailed: {
      title: "对象镜像失败",
      happened: ({ sourceKey, targetKey, error, cause }) =>
        `${sourceKey} 没有写入 OSS 的 ${targetKey}，${error}：${cause}`,
      means: "该对象在 S3 中，但不在 OSS 中。队列会自动重试，多次失败后转入死信队列。",
      toDo: "请在运维手册中查找该错误名称，排除原因后重新投递死信，或者执行一次镜像核对。",
    },
    MirrorLagging: {
      title: "镜像滞后",
      happened: ({ objects, oldestKey, oldestSince }, write) =>
        `有 ${objects} 个对象尚未写入 OSS，其中最早的 ${oldestKey} 从 ${write.time(oldestSince)} 起一直在等待。`,
      means: "如果此刻 S3 丢失数据，OSS 中将缺少这些对象。",
      toDo: "请确认镜像功能是否在运行，OSS 是否拒绝请求或限流，然后执行一次镜像核对。",
    },
    MirrorReconciled: {
      title: "S3 与 OSS 核对结束",
      happened: ({ runId, state, sentence }) => `核对 ${runId} 结束，状态为 ${state}：${sentence}`,
      means: "如果状态不是成功，说明有对象不一致、缺失，或者只存在于 OSS。",
      toDo: "请查看任务，其中列出了差异。缺失的对象会自动补传；只存在于 OSS 的对象由您决定如何处理。",
    },
    RelayAccountLimited: {
      title: "中转账号受限",
      happened: ({ name, provider, state, family, until, said }, write) =>
        `账号 ${name}（${provider}）${family === null ? "" : `的 ${family} 系列模型`}当前状态为 ${state}${until === null ? "" : `，预计持续到 ${write.time(until)}`}：${said}`,
      means: "请求会改由其他账号处理；没有其他账号时，客户端会收到何时重试的提示。",
      toDo: "如果会自行恢复，且有其他账号可用，则无需处理；否则请增加账号，或向供应商申请提高额度。",
    },
    RelayAccountBlocked: {
      title: "中转账号被停用",
      happened: ({ name, provider, state, said }) => `账号 ${name}（${provider}）当前状态为 ${state}：${said}`,
      means: "在人工处理之前，任何请求都不会再经过该账号。",
      toDo: "请查看供应商的说明：密钥被吊销、账单未付，或账号被关闭。处理后录入新的密钥，或重置该账号。",
    },
    RelayAccountRecovered: {
      title: "中转账号已恢复",
      happened: ({ name, provider, was }) => `账号 ${name}（${provider}）已恢复服务，此前状态为 ${was}。`,
      means: "请求照常经过该账号。",
      toDo: "无需处理。",
    },
    RelayBudgetNear: {
      title: "密钥接近限额",
      happened: ({ keyId, limit, percent, usedNanoUsd, limitNanoUsd, resetAt }, write) =>
        `密钥 ${keyId} 已用掉限额（${limit}）的 ${percent}%：${write.usd(usedNanoUsd)}，共 ${write.usd(limitNanoUsd)}${resetAt === null ? "" : `；将于 ${write.time(resetAt)} 重新计算`}。`,
      means: "达到限额后，该密钥的请求会被拒绝，不会超支。",
      toDo: "如果符合预期，则无需处理；否则请提高限额，或为余额充值。",
    },
    RelayOverrun: {
      title: "上游上报的用量超过预留",
      happened: ({ keyId, requests, nanoUsd, requestId }, write) =>
        `密钥 ${keyId} 有 ${requests} 个请求的费用比预留多出 ${write.usd(nanoUsd)}，例如 ${requestId}。`,
      means: "这部分费用已经计入，该密钥的限额可能因此被超出相同的金额。上游的计量与价格表或请求中的约定不一致。",
      toDo: "请查看该记录。如果价格表中该模型的价格或最大输出有误，请录入覆盖价格。",
    },
    RelayErrorRate: {
      title: "中转请求失败率过高",
      happened: ({ accountId, requests, errors, percent, minutes }) =>
        `${minutes} 分钟内，${accountId === "" ? "所有账号合计" : `账号 ${accountId}`}的 ${requests} 个请求中有 ${errors} 个失败（${percent}%）。`,
      means: "客户端会看到错误，或者回答中途中断。",
      toDo: "请查看该账号的错误记录和供应商的状态页；如果有其他账号可用，请先停用该账号。",
    },
    RelayErrorRateNormal: {
      title: "中转请求恢复正常",
      happened: ({ accountId }) => `${accountId === "" ? "所有账号合计" : `账号 ${accountId}`}的请求不再大量失败。`,
      means: "问题已经结束。",
      toDo: "无需处理。",
    },
    RelayLatency: {
      title: "中转响应变慢",
      happened: ({ accountId, medianMilliseconds, usualMilliseconds, minutes }) =>
        `${minutes} 分钟内，${accountId === "" ? "所有账号合计" : `账号 ${accountId}`}有一半的回答超过 ${medianMilliseconds} 毫秒才开始，平时为 ${usualMilliseconds} 毫秒。`,
      means: "客户端需要等待更久。",
      toDo: "请查看供应商的状态页；如果该账号使用代理，也请检查代理；必要时提高其他账号的优先级。",
    },
    RelayLatencyNormal: {
      title: "中转响应恢复正常",
      happened: ({ accountId }) =>
        `${accountId === "" ? "所有账号合计" : `账号 ${accountId}`}的响应速度已恢复到平时水平。`,
      means: "问题已经结束。",
      toDo: "无需处理。",
    },
    RelayUsageAnomaly: {
      title: "中转用量异常",
      happened: ({ keyId, measure, value, usual, hour }, write) =>
        `从 ${write.time(hour)} 开始的一小时内，${keyId === "" ? "所有密钥合计" : `密钥 ${keyId} `}使用了 ${measure === "cost" ? write.usd(value) : `${value} 个 token`}，平时这一小时为 ${measure === "cost" ? write.usd(usual) : `${usual} 个`}。`,
      means: "可能是使用者的工作量大幅增加、程序失控，或者密钥落入他人之手。",
      toDo: "请确认是谁在使用该密钥、来自哪里。如有疑问，请先停用密钥，停用立即生效。",
    },
    RelayAuthenticationBurst: {
      title: "大量错误的中转密钥",
      happened: ({ network, failures, minutes }) =>
        `${minutes} 分钟内，网段 ${network} 发来 ${failures} 个密钥错误的请求。`,
      means: "可能是某个程序仍在使用旧密钥，也可能有人在试探密钥。密钥无法被猜中。",
      toDo: "请找到该程序。如果不是您的程序，请在 API 前面屏蔽该网段。",
    },
    RelayNewNetwork: {
      title: "密钥在新网段使用",
      happened: ({ keyId, network, client }) =>
        `密钥 ${keyId} 在网段 ${network} 被使用${client === "" ? "" : `（${client}）`}，最近 30 天内没有在该网段出现过。`,
      means: "可能是使用者在出差，也可能是密钥落入他人之手。",
      toDo: "请向密钥的使用者确认。如果不是本人，请轮换密钥；地址白名单可以限制密钥的使用范围。",
    },
    NothingNew: {
      title: "没有新的恢复点",
      happened: ({ databaseId, lastAt, hours }, write) =>
        `数据库 ${databaseId} 已超过 ${hours} 小时没有新的恢复点，最近一次：${write.time(lastAt)}。`,
      means: "无论是否有任务失败，该数据库最新的恢复点正在变旧。",
      toDo: "请确认该数据库是否仍在生成备份，运行是否按时启动，以及是否正常结束。",
    },
    ScheduleMissed: {
      title: "计划没有按时启动运行",
      happened: ({ schedule, lastAt, hours }, write) =>
        `计划 ${schedule} 到时间后没有启动任何运行，已过去 ${hours} 小时；上次启动：${write.time(lastAt)}。`,
      means: "在有人处理之前，该计划负责的工作不会进行。",
      toDo: "请检查 EventBridge Scheduler 中的计划、start-run 函数和存放未执行运行的队列，然后手动启动运行。",
    },
    DeadLettersWaiting: {
      title: "死信队列中有消息",
      happened: ({ queue, holds, messages }) => `队列 ${queue} 中有 ${messages} 条消息（${holds}）。`,
      means: "这些工作已经彻底失败，正等待人工处理；没有程序会自动读取该队列。",
      toDo: "请查看消息内容，排除原因，然后重新投递或清空该队列。",
    },
    DeadLettersCleared: {
      title: "死信队列已清空",
      happened: ({ queue }) => `队列 ${queue} 已经没有消息。`,
      means: "已有人处理完毕。",
      toDo: "无需处理。",
    },
    AlertRecovered: {
      title: "告警已恢复",
      happened: ({ event, subject, since }, write) =>
        `从 ${write.time(since)} 开始的 ${event}${subject === "" ? "" : `（${subject}）`}已经结束。`,
      means: "此前告警的问题已经结束。",
      toDo: "无需处理。",
    },
  },
};
