// Fields that credentials and settings of several providers share, with the titles that forms show.
import * as z from "zod";

/** What can stand in a header. Keys of some peers are long tokens. */
export const apiKeyField = z
  .string("Give the API key.")
  .trim()
  .min(8, "Give the whole API key.")
  .max(4096, "Give a shorter API key.")
  .regex(/^[\x21-\x7e]*$/, "An API key has no spaces and no letters beyond ASCII.")
  .meta({ title: "API key", description: "As the provider gave it out.", writeOnly: true });

export const probeModelField = z
  .string("Give the name of a model.")
  .trim()
  .min(1, "Give the name of a model.")
  .max(200, "Give a shorter name.")
  .optional()
  .meta({
    title: "Model for tests",
    description:
      "Asked for one token when the account is tested. Without it the list of models is asked for, which some providers show to anybody.",
  });
