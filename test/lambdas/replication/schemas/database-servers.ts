// Debian's own MariaDB and PostgreSQL for a test: fresh data folders, a port of this machine, TLS by an authority of their own.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { SchemaConnection } from "../../../../lambdas/replication/schemas/schema.ts";
import { findFreeRow } from "../../../../local/free-ports.ts";
import { run } from "../../../local/samples/debian-tools.ts";

export interface DatabaseServer extends AsyncDisposable {
  readonly connection: SchemaConnection;
  /** PEM of the authority that signed the server's certificate. */
  readonly authority: string;
  /** Feeds SQL to the vendor's own client; returns what it prints, without headers. */
  sql(input: string, database?: string): string;
}

const password = "correct horse battery staple";

/** The user `causeway` may read everything and write nothing that matters to a test. */
export async function startMariadb(): Promise<DatabaseServer> {
  const folder = mkdtempSync(path.join(tmpdir(), "causeway-mariadb-"));
  const authority = makeCertificates(folder);
  const port = await findFreeRow(1);
  const data = path.join(folder, "data");
  const socket = path.join(folder, "s");
  run("mariadb-install-db", [
    "--no-defaults",
    `--datadir=${data}`,
    "--user=root",
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
  ]);
  const server = spawn("mariadbd", [
    "--no-defaults",
    `--datadir=${data}`,
    `--socket=${socket}`,
    `--pid-file=${path.join(folder, "pid")}`,
    "--user=root",
    "--bind-address=127.0.0.1",
    `--port=${port}`,
    `--ssl-cert=${path.join(folder, "server.crt")}`,
    `--ssl-key=${path.join(folder, "server.key")}`,
    "--innodb-buffer-pool-size=32M",
    "--innodb-flush-log-at-trx-commit=0",
  ]);
  const sql = (input: string, database = "") =>
    run(
      "mariadb",
      [
        "--no-defaults",
        `--socket=${socket}`,
        "--user=root",
        "--default-character-set=utf8mb4",
        "-N",
        "-r",
        database,
      ].filter((word) => word !== ""),
      Buffer.from(input),
    );
  await untilReady(server, () => sql("SELECT 1"));
  sql(`CREATE USER causeway@'%' IDENTIFIED BY '${password}'; GRANT ALL ON *.* TO causeway@'%' WITH GRANT OPTION;`);
  return serverOf({ folder, server, sql, authority, port, username: "causeway" });
}

export async function startPostgres(): Promise<DatabaseServer> {
  const folder = mkdtempSync(path.join(tmpdir(), "causeway-postgres-"));
  const authority = makeCertificates(folder);
  const port = await findFreeRow(1);
  const programs = `/usr/lib/postgresql/${readdirSync("/usr/lib/postgresql").sort().at(-1)}/bin`;
  const data = path.join(folder, "data");
  mkdirSync(data, { mode: 0o700 });
  // PostgreSQL refuses to run as root, and its key must be its own.
  const owner = process.getuid?.() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : {};
  if (owner.uid !== undefined) {
    chmodSync(folder, 0o755);
    for (const name of ["data", "server.key", "server.crt"]) chownSync(path.join(folder, name), owner.uid, owner.gid);
  }
  const passwordFile = path.join(folder, "password");
  writeFileSync(passwordFile, `${password}\n`);
  const made = spawnSync(
    path.join(programs, "initdb"),
    [
      "-D",
      data,
      "-U",
      "causeway",
      "--auth=scram-sha-256",
      `--pwfile=${passwordFile}`,
      "-E",
      "UTF8",
      "--locale=C.UTF-8",
      "-N",
    ],
    { ...owner, encoding: "utf8" },
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr} ${made.error ?? ""}`);
  const settings = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    fsync: "off",
    ssl: "on",
    ssl_cert_file: path.join(folder, "server.crt"),
    ssl_key_file: path.join(folder, "server.key"),
  };
  const server = spawn(
    path.join(programs, "postgres"),
    ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    owner,
  );
  const sql = (input: string, database = "postgres") => {
    const address = `postgresql://causeway:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
    return run("psql", [address, "-qAtX", "-v", "ON_ERROR_STOP=1"], Buffer.from(input));
  };
  await untilReady(server, () => sql("SELECT 1"));
  return serverOf({ folder, server, sql, authority, port, username: "causeway" });
}

function serverOf(parts: {
  folder: string;
  server: ChildProcess;
  sql: DatabaseServer["sql"];
  authority: string;
  port: number;
  username: string;
}): DatabaseServer {
  const { folder, server, sql, authority, port, username } = parts;
  return {
    connection: { host: "127.0.0.1", port, username, password, tls: { mode: "off" } },
    authority,
    sql,
    async [Symbol.asyncDispose]() {
      if (server.exitCode === null) {
        const ended = once(server, "exit");
        server.kill("SIGINT");
        setTimeout(() => server.kill("SIGKILL"), 5_000).unref();
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** An authority, and a certificate for 127.0.0.1 that it signed. */
function makeCertificates(folder: string): string {
  const file = (name: string) => path.join(folder, name);
  const quiet = ["-days", "2", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  run("openssl", [
    "req",
    "-x509",
    ...quiet,
    "-keyout",
    file("ca.key"),
    "-out",
    file("ca.crt"),
    "-subj",
    "/CN=test authority",
  ]);
  run("openssl", [
    "req",
    "-x509",
    ...quiet,
    ...["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-keyout", file("server.key"), "-out", file("server.crt")],
    ...["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
  ]);
  chmodSync(file("server.key"), 0o600);
  return readFileSync(file("ca.crt"), "utf8");
}

function idOf(option: "-u" | "-g"): number {
  return Number(run("id", [option, "postgres"]).trim());
}

async function untilReady(server: ChildProcess, ask: () => string): Promise<void> {
  const said: string[] = [];
  server.stderr?.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  for (let attempt = 0; attempt < 300 && server.exitCode === null; attempt += 1) {
    try {
      ask();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  server.kill("SIGKILL");
  throw new Error(`The server did not start: ${said.join("")}`);
}
