import { posix } from 'node:path';
import { boundedTest } from '../../base/bounded-test.ts';
import { TareError } from '../../base/errors.ts';
import type { AddInstruction, CopyInstruction } from './dockerfile/instructions.ts';

/** A COPY or ADD with its variables replaced. */
export interface CopyRequest {
  readonly sources: readonly string[];
  /** Files that the Dockerfile itself brings, by name. */
  readonly inline: readonly InlineFile[];
  /** Absolute; with a slash at its end when a directory is meant. */
  readonly destination: string;
  /** A stage or an image; empty: the context. */
  readonly from: string;
  readonly chown: string;
  /** For `parseModeChange`, or empty. */
  readonly chmod: string;
  readonly checksum: string;
  /** `--unpack`; undefined: as the source's kind has it. */
  readonly unpack: boolean | undefined;
  /** `--keep-git-dir`: of a repository, its directory `.git` too. */
  readonly keepGitDir?: boolean;
  readonly exclude: readonly string[];
  readonly parents: boolean;
}

/** A file of the Dockerfile's own, or one that was fetched for it. */
export interface InlineFile {
  readonly name: string;
  /** Its text, unless `file` has its bytes. */
  readonly content: string;
  readonly file?: {
    /** Bytes. */
    readonly size: number;
    /** Of its last change, since the epoch. */
    readonly seconds: number;
    readonly mode: number;
    /** Hex, of its bytes. */
    readonly sha256: string;
    readonly read: () => AsyncIterable<Uint8Array>;
    /** Where on this host they lie. */
    readonly path: string;
  };
}

/** What a COPY or ADD with its variables replaced asks for. */
export function copyRequestOf(step: CopyInstruction | AddInstruction, workingDir: string): CopyRequest {
  const { sources, inline, destination, chown, chmod, exclude, parents } = step;
  return {
    sources,
    inline: inline.map(({ name, content }) => ({ name, content })),
    destination: absolute(destination, workingDir),
    from: step.kind === 'copy' ? step.from : '',
    chown,
    chmod,
    checksum: step.kind === 'add' ? step.checksum : '',
    unpack: step.kind === 'add' ? step.unpack : undefined,
    keepGitDir: step.kind === 'add' && step.keepGitDir,
    exclude,
    parents,
  };
}

function absolute(path: string, workingDir: string): string {
  const whole = posix.isAbsolute(path) ? path : `${workingDir || '/'}/${path}`;
  const clean = posix.normalize(whole);
  const isDirectory = /(^|\/)\.{0,2}$/.test(path) || path.endsWith('/');
  return isDirectory && !clean.endsWith('/') ? `${clean}/` : clean;
}

/** A source split where its first pattern begins: `a/b/*.js` is `a/b` and `*.js`. */
export function splitPattern(source: string): { base: string; pattern: PathTest | undefined } {
  const parts = posix
    .normalize(`/${source}`)
    .split('/')
    .filter((part) => part !== '');
  const first = parts.findIndex((part) => /[*?[]/.test(part));
  if (first < 0) return { base: `/${parts.join('/')}`, pattern: undefined };
  return {
    base: `/${parts.slice(0, first).join('/')}`,
    pattern: globTest(parts.slice(first).join('/')),
  };
}

export type PathTest = (path: string) => boolean;

/** Go's filepath.Match, and `**` for any number of directories. */
export function globTest(glob: string): PathTest {
  let source = '';
  for (let index = 0; index < glob.length; index++) {
    const char = glob[index] ?? '';
    if (glob.startsWith('**/', index)) {
      source += '(?:.*/)?';
      index += 2;
    } else if (glob.startsWith('**', index)) {
      source += '.*';
      index++;
    } else if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const close = glob.indexOf(']', index + 1);
      if (close < 0) throw new TareError('invalid', `syntax error in pattern ${JSON.stringify(glob)}`);
      source += `[${glob.slice(index + 1, close).replace(/\\/g, '\\\\')}]`;
      index = close;
    } else if (char === '\\' && index + 1 < glob.length) source += escaped(glob[++index] ?? '');
    else source += escaped(char);
  }
  return boundedTest(`^${source}$`, glob.split('*').length - 1);
}

function escaped(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&');
}
