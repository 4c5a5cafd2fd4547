// The pages that people see: whom to sign in as, what became of a link, what is wrong with a request. One style, no scripts,
// nothing from elsewhere, usable by keyboard.
import type { Reply } from "./issuer.ts";
import type { PoolUser } from "./user-pool.ts";

const style = `
  :root { color-scheme: light dark; --ink: #1c2430; --soft: #5a6675; --paper: #f4f6f8; --card: #fff; --line: #d5dbe2; --accent: #0b6e99; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e8edf2; --soft: #a3afbd; --paper: #12181f; --card: #1b232c; --line: #33404d; --accent: #56b4dc; }
  }
  * { box-sizing: border-box; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
    background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
  main { width: 100%; max-width: 26rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 2rem; }
  h1 { margin: 0 0 .25rem; font-size: 1.35rem; }
  p { margin: 0 0 1.25rem; color: var(--soft); overflow-wrap: anywhere; }
  ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .6rem; }
  button { width: 100%; display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; padding: .8rem 1rem;
    font: inherit; text-align: left; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: .5rem; cursor: pointer; }
  button:hover, button:focus-visible { border-color: var(--accent); }
  button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  strong { font-weight: 600; }
  small { color: var(--soft); overflow-wrap: anywhere; }
  [role=alert] { color: var(--ink); border-left: 4px solid #c0392b; padding-left: .75rem; }
`;

/** `action` is where the form goes: /login with the query of the authorization request. */
export function signInPage(users: readonly PoolUser[], clientName: string, action: string): Reply {
  const items = users.map(
    ({ username, email, groups }) =>
      `<li><button name="username" value="${quote(username)}"><strong>${quote(username)}</strong>` +
      `<small>${quote(groups.filter((group) => group !== username).join(", ") || email)}</small></button></li>`,
  );
  const list =
    users.length > 0
      ? `<form method="post" action="${quote(action)}"><ul>${items.join("")}</ul></form>`
      : '<p role="alert">The user pool has no group and no user: nobody can sign in.</p>';
  return page(
    200,
    "Sign in",
    `<h1>Sign in</h1><p>to ${quote(clientName)}, on this machine alone: choose who you are. There are no passwords here.</p>${list}`,
  );
}

export function messagePage(status: number, title: string, text: string): Reply {
  const role = status >= 400 ? ' role="alert"' : ' role="status"';
  return page(status, title, `<h1>${quote(title)}</h1><p${role}>${quote(text)}</p>`);
}

function page(status: number, title: string, content: string): Reply {
  return {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-security-policy":
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
      // "no-referrer" would make browsers send the form with the origin "null".
      "referrer-policy": "same-origin",
      "x-content-type-options": "nosniff",
    },
    body:
      `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${quote(title)}</title>` +
      `<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">` +
      `<style>${style}</style></head><body><main>${content}</main></body></html>`,
  };
}

function quote(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
