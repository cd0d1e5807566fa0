import { TareError } from '../../../base/errors.ts';

/** A git repository as ADD and contexts name it. */
export interface GitAddress {
  /** For git: `https://host/path.git`, `ssh://…`, `git@host:path`. */
  readonly remote: string;
  /** Branch, tag, full reference or commit; empty: what the repository's HEAD is. */
  readonly ref: string;
  /** Directory in it that is meant; empty: all. */
  readonly subdirectory: string;
  /** The commit that `ref` has to be; empty: any. */
  readonly commit: string;
  /** Undefined: as the instruction says. */
  readonly keepGitDir: boolean | undefined;
  readonly submodules: boolean;
}

const SCP = /^(?:[A-Za-z0-9._-]+@)([A-Za-z0-9._-]+):(?!\/\/)([^?#]+)/;
const WITH_SCHEME = /^(?:git|ssh):\/\//i;
const HTTP = /^https?:\/\/[^?#]*\.git\/?(?:[?#]|$)/i;
/** Docker's short form, of contexts only. */
const SHORT = /^github\.com\//;

/** True for what is fetched by git. `context`: also what only a build's context may be called. */
export function isGitAddress(text: string, context = false): boolean {
  return WITH_SCHEME.test(text) || SCP.test(text) || HTTP.test(text) || (context && SHORT.test(text));
}

/**
 * Reads `REMOTE[#REF[:SUBDIRECTORY]]` or `REMOTE?branch=…&tag=…&ref=…&commit=…&subdir=…&keep-git-dir=…&submodules=…`.
 * Throws `invalid` for what git could take for an option, and for other query keys.
 */
export function parseGitAddress(text: string): GitAddress {
  const whole = SHORT.test(text) ? `https://${text}` : text;
  const hash = whole.indexOf('#');
  const fragment = hash < 0 ? '' : whole.slice(hash + 1);
  const before = hash < 0 ? whole : whole.slice(0, hash);
  const question = before.indexOf('?');
  const remote = question < 0 ? before : before.slice(0, question);
  const query = new URLSearchParams(question < 0 ? '' : before.slice(question + 1));
  if (question >= 0 && fragment !== '') {
    throw new TareError('invalid', `${text} has a query and a fragment: give ref and subdir in one of them`);
  }
  checkKeys(query, text);
  const [fromFragment = '', ...folders] = fragment.split(':');
  const named = ['ref', 'branch', 'tag'].map((key) => prefixed(key, query.get(key) ?? ''));
  const refs = named.filter((ref) => ref !== '');
  if (refs.length > 1) throw new TareError('invalid', `${text} names more than one of ref, branch and tag`);
  const commit = query.get('commit') ?? query.get('checksum') ?? '';
  const address: GitAddress = {
    remote,
    ref: decoded(fromFragment) || (refs[0] ?? '') || commit,
    subdirectory: decoded(folders.join(':')) || (query.get('subdir') ?? ''),
    commit,
    keepGitDir: toggled(query, 'keep-git-dir', text),
    submodules: toggled(query, 'submodules', text) ?? true,
  };
  checkParts(address, text);
  return address;
}

const KEYS = ['ref', 'branch', 'tag', 'commit', 'checksum', 'subdir', 'keep-git-dir', 'submodules'];

function checkKeys(query: URLSearchParams, text: string): void {
  for (const key of query.keys()) {
    if (KEYS.includes(key)) continue;
    throw new TareError('invalid', `unexpected query parameter ${key} in ${text}: one of ${KEYS.join(', ')}`);
  }
}

function prefixed(key: string, value: string): string {
  if (value === '' || key === 'ref' || value.startsWith('refs/')) return value;
  return key === 'branch' ? `refs/heads/${value}` : `refs/tags/${value}`;
}

function toggled(query: URLSearchParams, key: string, text: string): boolean | undefined {
  const value = query.get(key);
  if (value === null) return undefined;
  if (/^(?:1|t|true|)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw new TareError('invalid', `invalid ${key} ${JSON.stringify(value)} in ${text}: true or false`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A reference's name as git allows it, which no option is. */
const REF = /^(?!-)(?!.*(?:\.\.|@\{|\/\/|\.lock(?:\/|$)))[^\s~^:?*[\\\p{Cc}]+(?<![./])$/u;

function checkParts({ remote, ref, subdirectory, commit }: GitAddress, text: string): void {
  const fail = (why: string): never => {
    throw new TareError('invalid', `invalid git address ${JSON.stringify(text)}: ${why}`);
  };
  if (/[\p{Cc}\s]/u.test(text)) fail('it has blanks or control characters');
  const scp = SCP.exec(remote);
  const host = scp ? (scp[1] ?? '') : hostOf(remote);
  if (host === '') fail('it names no host');
  // What begins with a dash is an option to git or to ssh.
  if (host.startsWith('-') || scp?.[2]?.startsWith('-') || /^[a-z]+:\/\/(?:[^/@]*@)?-/i.test(remote)) {
    fail('its host or path begins with a dash');
  }
  if (/^-|@-/.test(remote)) fail('it begins with a dash');
  if (ref !== '' && !REF.test(ref)) fail(`${JSON.stringify(ref)} is no name of a branch, tag or commit`);
  if (subdirectory.split('/').includes('..')) fail('its subdirectory leads out of the repository');
  if (commit !== '' && !/^[0-9a-f]{7,64}$/.test(commit)) fail(`${JSON.stringify(commit)} is no commit`);
}

function hostOf(remote: string): string {
  try {
    return new URL(remote.replace(/^(?:git|ssh):/i, 'http:')).hostname;
  } catch {
    return '';
  }
}
