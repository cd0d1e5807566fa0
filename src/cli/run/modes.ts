import type { RestartPolicy } from '../../wire/containers.ts';

/** Reads `--restart`. @throws Error in docker's words. */
export function parseRestart(value: string): RestartPolicy {
  if (value === '') return { Name: '', MaximumRetryCount: 0 };
  const colon = value.indexOf(':');
  const name = colon < 0 ? value : value.slice(0, colon);
  const count = colon < 0 ? '' : value.slice(colon + 1);
  if (colon >= 0 && name === '')
    throw new Error('invalid restart policy format: no policy provided before colon');
  if (count !== '' && !/^[+-]?\d+$/.test(count)) {
    throw new Error('invalid restart policy format: maximum retry count must be an integer');
  }
  return { Name: name, MaximumRetryCount: Number(count || 0) };
}

const PLAIN: Readonly<Record<string, { modes: readonly string[]; message: string; container?: true }>> = {
  pid: { modes: ['', 'host'], message: '--pid: invalid PID mode', container: true },
  uts: { modes: ['', 'host'], message: '--uts: invalid UTS mode' },
  userns: { modes: ['', 'host'], message: '--userns: invalid USER mode' },
  cgroupns: { modes: ['', 'host', 'private'], message: '--cgroupns: invalid CGROUP mode' },
};

/**
 * Reads `--userns`. Beyond docker: `keep-id` keeps who calls, `keep-id:uid=UID,gid=GID` another user of the host.
 * @throws Error in docker's words.
 */
export function usernsMode(value: string): string {
  if (value === 'keep-id') return `keep-id:uid=${process.getuid?.() ?? 0},gid=${process.getgid?.() ?? 0}`;
  if (!/^keep-id:uid=\d+,gid=\d+$/.test(value)) checkMode('userns', value);
  return value;
}

/** Checks the mode of a namespace flag. @throws Error in docker's words. */
export function checkMode(flag: 'pid' | 'uts' | 'userns' | 'cgroupns', value: string): void {
  const { modes, message, container } = PLAIN[flag]!;
  if (modes.includes(value) || (container && /^container:.+/.test(value))) return;
  throw new Error(message);
}
