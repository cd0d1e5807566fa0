import { existsSync } from 'node:fs';

/**
 * Whether the daemon is being stopped because the whole machine is: then its containers have to end in order, since
 * nothing outlives that, and systemd would wait 90 s for those that ignore SIGTERM. systemd(1) calls the state
 * `stopping`; without systemd the answer is no.
 */
export async function machineGoesDown(): Promise<boolean> {
  if (!existsSync('/run/systemd/system')) return false;
  try {
    const child = Bun.spawn(['systemctl', 'is-system-running'], {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'ignore',
      timeout: 5000,
    });
    return (await child.stdout.text()).trim() === 'stopping';
  } catch {
    // No systemctl.
    return false;
  }
}
