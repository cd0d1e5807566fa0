/**
 * What stands before crun's command line so that the process it starts has an OOM score. crun 1.8.1 gives a container
 * its score and not an exec, and conmon sets its children's to 0; set afterwards, it would miss what a short process
 * has forked by then. Nothing for 0, or without util-linux's choom.
 */
export function withOomScore(score: number | undefined): readonly string[] {
  if (score === undefined || score === 0) return [];
  const choom = Bun.which('choom');
  return choom === null ? [] : [choom, '-n', String(score), '--'];
}
