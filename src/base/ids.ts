import { randomBytes } from 'node:crypto';

/** A new 64-digit hexadecimal id, as Docker gives containers, networks and execs. */
export function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString('hex');
    // Docker avoids ids whose short form is all digits: host names of digits only confuse resolvers.
    if (/[a-f]/.test(id.slice(0, 12))) return id;
  }
}

/** The 12-digit short form of an id. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
