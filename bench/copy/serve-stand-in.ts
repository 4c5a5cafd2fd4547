// A process of the copy benchmark: serves the source or the sink and tells its port to the parent.
import {
  type Certificate,
  type SinkSettings,
  type SourceSettings,
  serve,
  sinkListener,
  sourceListener,
} from "./stand-in.ts";

export type StandInRole =
  | { readonly role: "source"; readonly settings: SourceSettings; readonly certificate?: Certificate }
  | { readonly role: "sink"; readonly settings: SinkSettings; readonly certificate?: Certificate };

process.once("message", (message: StandInRole) => {
  const listener = message.role === "source" ? sourceListener(message.settings) : sinkListener(message.settings);
  serve(listener, message.certificate).then(
    (port) => process.send?.({ port }),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
// Nobody is left to serve when the parent has gone, however it went.
process.once("disconnect", () => process.exit(0));
