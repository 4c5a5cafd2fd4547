// Doors at which a test's function waits until the test lets it go on: nobody has to guess how long anything takes.
import http from "node:http";
import type { AddressInfo } from "node:net";

export interface Doors {
  /** The address that a function asks; the answer comes when the door is opened. */
  urlOf(name: string): string;
  /** Resolves when a function stands there. */
  knocked(name: string): Promise<void>;
  open(name: string): void;
  close(): void;
}

export async function makeDoors(): Promise<Doors> {
  const doors = new Map<string, { knocked: PromiseWithResolvers<void>; opened: PromiseWithResolvers<void> }>();
  const doorOf = (name: string) => {
    const door = doors.get(name) ?? { knocked: Promise.withResolvers(), opened: Promise.withResolvers() };
    doors.set(name, door);
    return door;
  };
  const server = http.createServer((request, response) => {
    const { knocked, opened } = doorOf(request.url?.slice(1) ?? "");
    knocked.resolve();
    opened.promise.then(() => response.end()).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    urlOf: (name) => `http://127.0.0.1:${port}/${name}`,
    knocked: (name) => doorOf(name).knocked.promise,
    open: (name) => doorOf(name).opened.resolve(),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
