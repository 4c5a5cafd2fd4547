// Where each server of `npm start` listens, counted from `--port`, where AWS does.

export const portOffsets = {
  rpc: 1,
  download: 2,
  oss: 3,
  signIn: 4,
  api: 5,
  secondApi: 6,
  wecom: 7,
  aiUpstream: 8,
} as const;

/** As many ports are used after the first one. */
export const portsAfterFirst = Math.max(...Object.values(portOffsets));
