// One run of reconcile-mirror on the mirror's rig, and what it said.
import { ListExecutionsCommand, DescribeExecutionCommand, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { DeleteCommand } from "@aws-sdk/lib-dynamodb";
import type { ReportLine } from "../../lambdas/replication/reconcile/report-differences.ts";
import type { JobView } from "../../lambdas/shared/jobs.ts";
import type { MirrorRig } from "./mirror-rig.ts";
