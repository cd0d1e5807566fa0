/**
 * The signals that a client passes on to its container. Not those that are about the client itself (CHLD, PIPE,
 * URG, WINCH) and not those that can't be caught.
 */
const FORWARDED = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGTERM',
  'SIGCONT',
  'SIGTSTP',
] as const;

/** Calls `forward` for each signal that the program gets; returns what ends that. */
export function forwardSignals(forward: (name: string) => void): () => void {
  const handlers = FORWARDED.map((name) => {
    const handler = () => forward(name.slice('SIG'.length));
    process.on(name, handler);
    return [name, handler] as const;
  });
  return () => {
    for (const [name, handler] of handlers) process.off(name, handler);
  };
}
