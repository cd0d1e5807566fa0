import { TareError } from '../../base/errors.ts';
import type { HostConfig } from './model.ts';
import { parseMode } from './modes.ts';
import { keptUser } from './user-mapping.ts';

function invalid(message: string): TareError {
  return new TareError('invalid', message);
}

/**
 * Refuses namespace modes that do not exist and options that contradict them, in dockerd's words. `hostname` is the
 * one that was asked for.
 */
export function checkModes(hostname: string, host: HostConfig): void {
  if (/^container:?$/.test(host.pidMode)) throw invalid(`invalid PID mode: ${host.pidMode}`);
  const pid = parseMode(host.pidMode, 'PID');
  if (pid.kind === 'word' && !['', 'host', 'private'].includes(pid.word)) {
    throw invalid(`invalid PID mode: ${host.pidMode}`);
  }
  const ipc = parseMode(host.ipcMode, 'IPC');
  if (ipc.kind === 'word' && !['', 'none', 'private', 'shareable', 'host'].includes(ipc.word)) {
    throw invalid(`invalid IPC mode: ${host.ipcMode}`);
  }
  if (!['', 'host'].includes(host.utsMode)) throw invalid(`invalid UTS mode: ${host.utsMode}`);
  if (!['', 'host'].includes(host.usernsMode) && !keptUser(host.usernsMode))
    throw invalid(`invalid userns mode: ${host.usernsMode}`);
  if (!['', 'host', 'private'].includes(host.cgroupnsMode)) {
    throw invalid(`invalid cgroup namespace mode: ${host.cgroupnsMode}`);
  }
  if (host.utsMode === 'host' && hostname !== '') {
    throw invalid('conflicting options: hostname and the UTS mode');
  }
  if (!['', 'default'].includes(host.isolation.toLowerCase())) {
    throw invalid(`invalid isolation: "${host.isolation}" - linux only supports 'default'`);
  }
  if (host.networkMode === 'host' && host.links.length > 0) {
    throw invalid(
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  }
}
