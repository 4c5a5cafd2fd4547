// The assembler: what it writes is valid, and is what the specification's encoding says.
import { expect, test } from "vitest";
import { nvmePolynomial, xzPolynomial } from "../../../../lambdas/replication/checksums/crc64.ts";
import { Crc64Kernel, kernelFunctions } from "../../../../lambdas/replication/checksums/crc64-kernel.ts";
import { assembleModule, i32, op } from "../../../../lambdas/replication/checksums/wasm-module.ts";

test("writes the header, and integers in LEB128", () => {
  const module = assembleModule([]);
  expect([...module.subarray(0, 8)]).toEqual([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  expect(op.i32(127)).toEqual([0x41, 0xff, 0x00]);
  expect(op.i32(-64)).toEqual([0x41, 0x40]);
  expect(op.i64(-(2n ** 63n))).toEqual([0x42, ...Array(9).fill(0x80), 0x7f]);
  expect(op.get(300)).toEqual([0x20, 0xac, 0x02]);
});

test("names the type of a function with a result", () => {
  const module = assembleModule([{ exportName: "f", parameters: [i32], result: i32, locals: [], body: op.get(0) }]);
  expect(Buffer.from(module).toString("hex")).toContain("60017f017f");
});

test("the kernels are small modules", () => {
  for (const polynomial of [xzPolynomial, nvmePolynomial]) {
    expect(assembleModule(kernelFunctions(polynomial)).length).toBeLessThan(1000);
  }
});

test("refuses lags that a round would read before they are written", () => {
  expect(() => new Crc64Kernel({ reflected: xzPolynomial.reflected, lagsBytes: [63, 900] })).toThrow(RangeError);
});
