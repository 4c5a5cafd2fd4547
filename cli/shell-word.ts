// A text as one word of a command that somebody will copy: quoted where a shell would take it apart.

export function quoted(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
