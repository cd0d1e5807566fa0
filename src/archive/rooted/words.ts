import { messageOf, TareError } from '../../base/errors.ts';
import { codeOf } from '../../kernel/errno.ts';

/** What Go's programs say for an errno. */
const WORDS: Readonly<Record<string, string>> = {
  EPERM: 'operation not permitted',
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EBUSY: 'device or resource busy',
  EEXIST: 'file exists',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  EINVAL: 'invalid argument',
  EMFILE: 'too many open files',
  EROFS: 'read-only file system',
  ENOSPC: 'no space left on device: free some and try again',
  EDQUOT: 'disk quota exceeded: free some and try again',
  ENAMETOOLONG: 'file name too long',
  ENOTEMPTY: 'directory not empty',
  ELOOP: 'too many levels of symbolic links',
  EOPNOTSUPP: 'operation not supported',
};

/** A failed call on a file in Go's words, `open /x: no such file or directory`; other errors as they are. */
export function inGoWords(error: unknown): TareError {
  const code = codeOf(error);
  const words = code === undefined ? undefined : WORDS[code];
  const message = messageOf(error);
  const kind = error instanceof TareError ? error.kind : 'internal';
  if (code === undefined || words === undefined || !message.endsWith(`: ${code}`)) {
    return error instanceof TareError ? error : new TareError(kind, message, error);
  }
  const call = message.slice(0, -code.length).replace(/^openat2 /, 'open ');
  return new TareError(kind, `${call}${words}`, error);
}
