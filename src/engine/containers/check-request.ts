import { TareError } from '../../base/errors.ts';
import { checkResources } from './check-resources.ts';
import { healthRules } from './health.ts';
import { checkLogConfig } from './logging/log-config.ts';
import type { ContainerConfig, HostConfig } from './model.ts';
import { networkMode } from './modes.ts';
import { publicationsOf } from './port-requests.ts';
import { checkRestartPolicy } from './restart-policy.ts';

function invalid(message: string): TareError {
  return new TareError('invalid', message);
}

const RUNTIMES = ['', 'crun', 'runc', 'io.containerd.runc.v2'];

/**
 * Refuses requests that contradict themselves or ask for what does not exist, before anything is made, in
 * dockerd's words.
 */
export function checkRequest(config: ContainerConfig, host: HostConfig): void {
  if (config.workingDir !== '' && !config.workingDir.startsWith('/')) {
    throw invalid(`the working directory '${config.workingDir}' is invalid, it needs to be an absolute path`);
  }
  if (config.stopTimeout !== undefined && config.stopTimeout < -1) {
    throw invalid(`invalid stop timeout: ${config.stopTimeout}`);
  }
  checkHealthcheck(config.healthcheck);
  if (host.restartUnhealthy && !healthRules(config.healthcheck, config.shell)) {
    throw invalid(
      '--restart-unhealthy needs a health check: give --health-cmd, or use an image that has one',
    );
  }
  if (Object.keys(host.annotations).includes('')) {
    throw invalid('invalid Annotations: the empty string is not permitted as an annotation key');
  }
  for (const [what, text] of [
    ['hostname', config.hostname],
    ['domainname', config.domainname],
  ] as const) {
    // The kernel's limit (uts namespace, 64 bytes) and what resolvers accept.
    if (text.length > 63 && what === 'hostname') throw invalid(`invalid hostname: ${text}: longer than 63`);
    if (/[\s/\0]/.test(text)) throw invalid(`invalid ${what} format: ${text}`);
  }
  checkRestartPolicy(host.restartPolicy, host.autoRemove);
  checkNetworking(config, host);
  checkResources(host.resources);
  if (host.shmSize < 0) throw invalid('SHM size can not be less than 0');
  checkLogConfig(host.logConfig);
  if (!RUNTIMES.includes(host.runtime)) throw invalid(`unknown or invalid runtime name: ${host.runtime}`);
  for (const entry of host.extraHosts) {
    const separator = entry.search(/[:=]/);
    if (separator <= 0) throw invalid(`bad format for add-host: "${entry}"`);
  }
  publicationsOf(config, host);
}

/** Nanoseconds. */
const MILLISECOND = 1e6;

function checkHealthcheck(health: ContainerConfig['healthcheck']): void {
  if (!health) return;
  for (const name of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = health[name] ?? 0;
    if (value !== 0 && value < MILLISECOND) throw invalid(`${name} in Healthcheck cannot be less than 1ms`);
  }
  if ((health.Retries ?? 0) < 0) throw invalid('Retries in Healthcheck cannot be negative');
}

function checkNetworking(config: ContainerConfig, host: HostConfig): void {
  const mode = networkMode(host.networkMode);
  const conflict = (what: string): TareError => invalid(`conflicting options: ${what} and the network mode`);
  if (mode.kind === 'container') {
    if (config.hostname !== '') throw conflict('hostname');
    if (host.links.length > 0) {
      throw invalid(
        "conflicting options: container type network can't be used with links. This would result in undefined behavior",
      );
    }
    if (host.dns.length > 0) throw conflict('dns');
    if (host.extraHosts.length > 0) throw conflict('custom host-to-IP mapping');
    if (config.macAddress) throw invalid('conflicting options: mac-address and the network mode');
    if (Object.keys(host.portBindings).length > 0 || host.publishAllPorts) {
      throw invalid('conflicting options: port publishing and the container type network mode');
    }
    if (Object.keys(config.exposedPorts).length > 0) {
      throw invalid('conflicting options: port exposing and the container type network mode');
    }
  }
}
