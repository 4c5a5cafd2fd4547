// An error as a client of Aliyun sees it; the RPC server writes it as JSON, the download server as XML.

export class AliyunError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = code;
    this.status = status;
    this.code = code;
  }
}

/** What a load balancer in front of Aliyun's services answers now and then; the official client cannot parse it. */
export const htmlErrorPage =
  '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body bgcolor="white">\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n';
