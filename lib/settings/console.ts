// The settings of the room console: the HTTP API and who may sign in to it.
import * as z from "zod";

export const console = z.strictObject({
  /** Where people reach the API, such as behind a domain of your own; links in alerts begin with it. */
  publicUrl: z
    .url({ protocol: /^https?$/, error: 'Give an address, such as "https://causeway.example.com".' })
    .optional(),
  /** Gets an invitation as the first member of the group admin. Absent: users are made by hand in Cognito. */
  firstAdminEmail: z.email("Give an e-mail address.").optional(),
  /** Whether people must have a second factor, or may. */
  mfa: z.enum(["optional", "required"], 'Give "optional" or "required".').default("optional"),
});
