import type { FlagValues } from '../command.ts';
import { CommandFailure } from '../failure.ts';
import type { BUILD_FLAGS } from './flags.ts';

export type BuildFlags = FlagValues<typeof BUILD_FLAGS>;

export const PROGRESS: readonly string[] = ['auto', 'plain', 'tty', 'rawjson', 'quiet'];

const given = (values: readonly string[]): boolean => values.length > 0;

/** What cannot be done, by flag, with what to do instead. Docker's words come first where Docker has some. */
function problemOf(flags: BuildFlags): string | undefined {
  if (given(flags.allow)) return '--allow is not supported: RUN steps have the rights of a plain container';
  if (given(flags.attest)) return '--attest is not supported: images are built without attestations';
  if (flags.platform.includes(',')) {
    return 'multiple platforms are not supported in one build: build once for each and join them with tare manifest';
  }
  if (!PROGRESS.includes(flags.progress)) {
    return `invalid progress ${JSON.stringify(flags.progress)}: use ${PROGRESS.join(', ')}`;
  }
  return undefined;
}

/** @throws CommandFailure that says what is not supported and what to do instead. */
export function refuseUnsupported(flags: BuildFlags): void {
  const problem = problemOf(flags);
  if (problem !== undefined) throw new CommandFailure(problem);
}
