/**
 * Descriptors that systemd's socket activation passed on (sd_listen_fds(3)): from 3 on, LISTEN_FDS of them, if
 * they are meant for this process.
 */
export function activatedSockets(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): number[] {
  if (environment.LISTEN_PID !== String(pid)) return [];
  const count = Number(environment.LISTEN_FDS);
  if (!Number.isInteger(count) || count < 1) return [];
  return Array.from({ length: count }, (_, index) => 3 + index);
}
