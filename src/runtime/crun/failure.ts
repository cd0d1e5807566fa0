import { TareError } from '../../base/errors.ts';
import type { ExecFailure } from '../runtime.ts';
import { cgroupWords } from './cgroup-words.ts';

/** conmon and libcrun prefix lines: a time stamp, `error:`, the program's name. */
const PREFIXES = /^(?:\d{4}-\d\d-\d\dT[\d:.Z+-]+\s*:?\s*)?(?:\[conmon:[a-z]\]:\s*|crun:\s*|error:\s*)*/i;

/** The runtime's own words, without prefixes, in one line. */
export function runtimeWords(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.replace(PREFIXES, '').trim())
    .filter((line) => line !== '');
  return lines.at(-1) ?? '';
}

/**
 * Says in runc's words what crun says in its own, because clients read them: the docker CLI takes its exit codes
 * 127 and 126 from "executable file not found", "no such file or directory", "permission denied" and
 * "is a directory". `program` is the command's first word.
 */
export function dockerWords(words: string, program: string): { text: string; failure: ExecFailure } {
  const quoted = JSON.stringify(program);
  const missing = /executable file .* not found in \$PATH/i.exec(words);
  if (missing || /^exec.*: No such file or directory$/i.test(words)) {
    const text = program.includes('/')
      ? `exec: ${quoted}: stat ${program}: no such file or directory`
      : `exec: ${quoted}: executable file not found in $PATH`;
    return { text, failure: 'not-found' };
  }
  // crun's own words for a directory, which has no execute permission as a file.
  if (/open executable: Operation not permitted/i.test(words)) {
    const text =
      program === ''
        ? `exec: ${quoted}: executable file not found in $PATH`
        : `exec: ${quoted}: is a directory`;
    return { text, failure: program === '' ? 'not-found' : 'not-executable' };
  }
  if (/open executable: Permission denied/i.test(words)) {
    return { text: `exec: ${quoted}: permission denied`, failure: 'not-executable' };
  }
  const directory = /^chdir `(.*)`: (.*)$/s.exec(words);
  if (directory) {
    const [, path, why = ''] = directory;
    const text = `chdir to cwd (${JSON.stringify(path)}) set in config.json failed: ${why.toLowerCase()}`;
    return { text, failure: 'other' };
  }
  return { text: words, failure: 'other' };
}

/** The error of a container that could not be made ready. */
export function createFailure(stderr: string, program: string): TareError {
  const words = runtimeWords(stderr) || 'the runtime gave no reason';
  const text = cgroupWords(words) ?? dockerWords(words, program).text;
  return new TareError(
    'invalid',
    `failed to create task for container: failed to create shim task: OCI runtime create failed: crun create failed: unable to start container process: ${text}: unknown`,
  );
}

/** The error of an exec that could not be started. */
export function execFailure(stderr: string, program: string): TareError {
  const { text } = dockerWords(runtimeWords(stderr) || 'the runtime gave no reason', program);
  return new TareError(
    'invalid',
    `OCI runtime exec failed: exec failed: unable to start container process: ${text}: unknown`,
  );
}
