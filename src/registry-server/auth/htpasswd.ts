import { createHash, randomBytes } from 'node:crypto';
import { TareError } from '../../base/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';

/** A verified password is not hashed again for so long, in milliseconds: bcrypt is slow on purpose. */
const REMEMBER = 10 * 60_000;
const REMEMBER_LIMIT = 10_000;
/** Hashes computed at once; more would take all cores from who is logged in. */
const AT_ONCE = 2;
const BCRYPT = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/;
/** bcrypt of nothing anybody has: an unknown user takes as long as a wrong password. */
const NOBODY = '$2b$10$CwTycUXWue0Thq9StjUM0uJ8ZCvQf9gQ1yRZc2nJrN1xkYdXbS1Qe';

/** Users and their bcrypt hashes, as `htpasswd -B` writes them. Throws `invalid` for other kinds of hashes. */
export function parseHtpasswd(text: string): ReadonlyMap<string, string> {
  const users = new Map<string, string>();
  for (const [index, line] of text.split('\n').entries()) {
    const entry = line.trim();
    if (entry === '' || entry.startsWith('#')) continue;
    const colon = entry.indexOf(':');
    const hash = entry.slice(colon + 1);
    if (colon < 1 || !BCRYPT.test(hash)) {
      throw new TareError('invalid', `line ${index + 1} is not NAME:BCRYPT-HASH: make it with htpasswd -B`);
    }
    // `2y` is Apache's name for the same algorithm.
    users.set(entry.slice(0, colon), hash.replace(/^\$2y/, '$2b'));
  }
  return users;
}

/** Checks names and passwords against hashes. */
export class PasswordCheck {
  readonly #known = new Map<string, number>();
  readonly #salt = randomBytes(16);
  readonly #gate = new Semaphore(AT_ONCE);
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  async matches(users: ReadonlyMap<string, string>, name: string, password: string): Promise<boolean> {
    const hash = users.get(name);
    const key = createHash('sha256')
      .update(this.#salt)
      .update(JSON.stringify([name, password, hash]))
      .digest('base64');
    if (hash !== undefined && (this.#known.get(key) ?? 0) > this.#now()) return true;
    const right = await this.#gate.run(undefined, () => verify(password, hash ?? NOBODY));
    if (!right || hash === undefined) return false;
    if (this.#known.size >= REMEMBER_LIMIT) this.#known.clear();
    this.#known.set(key, this.#now() + REMEMBER);
    return true;
  }
}

async function verify(password: string, hash: string): Promise<boolean> {
  try {
    return await Bun.password.verify(password, hash);
  } catch {
    // An empty password or a damaged hash.
    return false;
  }
}
