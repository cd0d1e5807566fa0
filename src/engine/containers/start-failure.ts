import { messageOf } from '../../base/errors.ts';

/**
 * The exit code that dockerd records for a container that could not be started, by the runtime's words: 127 when
 * the program is not there, 126 when it cannot be executed, else 128.
 */
export function startFailure(error: unknown): { exitCode: number; error: string } {
  const message = messageOf(error);
  let exitCode = 128;
  if (/executable file not found|no such file or directory|system cannot find the file/i.test(message)) {
    exitCode = 127;
  } else if (/permission denied|not a directory|is a directory/i.test(message)) {
    exitCode = 126;
  }
  return { exitCode, error: message };
}
