// Registry of inventories: the key is the name in configuration, copy ids, receipts and events.
import { aliyunRdsKey } from "./aliyun-backups.ts";
import { openAliyunRds } from "./aliyun-rds.ts";

export const inventories = { [aliyunRdsKey]: openAliyunRds } as const;
