/** Runs crun with arguments and returns its exit code and stderr. For rare paths only: it is a process. */
export async function runCrun(
  crun: string,
  root: string,
  args: readonly string[],
): Promise<{ exitCode: number; stderr: string }> {
  const child = Bun.spawn({
    cmd: [crun, `--root=${root}`, ...args],
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [stderr, exitCode] = await Promise.all([child.stderr.text(), child.exited]);
  return { exitCode, stderr };
}

/** crun's version, as `1.8.1`. Throws when it cannot be run. */
export async function crunVersion(crun: string): Promise<string> {
  const child = Bun.spawn({ cmd: [crun, '--version'], stdio: ['ignore', 'pipe', 'ignore'] });
  const text = await child.stdout.text();
  return /version\s+(\S+)/.exec(text)?.[1] ?? 'unknown';
}
