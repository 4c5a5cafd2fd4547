import { readFileSync } from "node:fs";
const { buildApp } = await import("/work/main/bin/causeway.ts");
const { parseStageSettings } = await import("/work/main/lib/config.ts");
const s = JSON.parse(readFileSync("/work/main/stages/local.json","utf8"));
s.replication.exports.schemas = { subnetIds:["subnet-0123456789abcdef0"], securityGroupIds:["sg-0123456789abcdef0"], connections:[{databaseId:"orders",engine:"mysql",host:"orders.example.com"}] };
s.replication.mirror.mirrorDeletes = true;
process.chdir("/work/main");
buildApp(parseStageSettings("local", JSON.stringify(s)), "/tmp/docs-full").synth();
