// A certificate for 127.0.0.1 that lives as long as one run of the benchmark.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface BenchCertificate {
  readonly key: string;
  readonly cert: string;
  readonly file: string;
  /** To be removed at the end: it holds the key. */
  readonly folder: string;
}

/** Throws with a sentence when there is no openssl. */
export function makeCertificate(): BenchCertificate {
  const folder = mkdtempSync(join(tmpdir(), "causeway-bench-"));
  const [keyFile, file] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const made = spawnSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
      ...["-keyout", keyFile, "-out", file, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
    ],
    { encoding: "utf8" },
  );
  if (made.error) throw new Error("--tls needs openssl to make a certificate: install it, or leave --tls out.");
  if (made.status !== 0) throw new Error(`openssl made no certificate:\n${made.stderr}`);
  return { key: readFileSync(keyFile, "utf8"), cert: readFileSync(file, "utf8"), file, folder };
}
