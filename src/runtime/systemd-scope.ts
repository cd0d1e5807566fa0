import { basename } from 'node:path';
import type { Logger } from '../base/log.ts';
import type { OciResources } from './spec/oci-spec.ts';
import { scopeAssignments } from './spec/scope-properties.ts';

/**
 * Tells systemd of limits that were written to the cgroup of a scope of its, so that it does not bring the former ones
 * back; nothing for another cgroup. In the background: the limits hold already. Until the next boot, as the scope.
 */
export function noteScopeLimits(cgroupPath: string, limits: OciResources, log: Logger): void {
  const unit = basename(cgroupPath);
  const assignments = scopeAssignments(limits);
  if (!unit.endsWith('.scope') || assignments.length === 0) return;
  const child = Bun.spawn(['systemctl', 'set-property', '--runtime', unit, ...assignments], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    timeout: 60_000,
  });
  void Promise.all([child.exited, new Response(child.stderr).text()]).then(([code, text]) => {
    if (code !== 0) log.warn('systemd was not told of new limits', { unit, systemctl: text.trim() });
  });
}
