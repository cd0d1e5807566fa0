import { buildVersion } from '../../base/build-version.ts';
import type { Commit, InfoResponse } from '../../wire/system.ts';
import { API_VERSION } from '../client/client.ts';
import { humanBytes } from './size.ts';

/** What `tare info` says of the client. */
export interface ClientInfo {
  readonly Debug: boolean;
  readonly Version: string;
  readonly DefaultAPIVersion: string;
  readonly Context: string;
  readonly Plugins: readonly never[];
  readonly Warnings: null;
}

export function clientInfo(): ClientInfo {
  return {
    Debug: false,
    Version: buildVersion().version,
    DefaultAPIVersion: API_VERSION,
    Context: 'default',
    Plugins: [],
    Warnings: null,
  };
}

export function clientInfoText(client: ClientInfo): string {
  return `Client:\n Version:    ${client.Version}\n Context:    ${client.Context}\n Debug Mode: ${client.Debug}\n`;
}

/** Collects indented `Label: value` lines. */
class Lines {
  text = '';

  line(label: string, value: unknown, indent = ' '): void {
    this.text += `${indent}${label}: ${value}\n`;
  }

  /** Only when there is a value. */
  some(label: string, value: string | undefined): void {
    if (value) this.line(label, value);
  }

  list(label: string, values: readonly string[] | null | undefined): void {
    if (!values || values.length === 0) return;
    this.text += ` ${label}:\n${values.map((value) => `  ${value}\n`).join('')}`;
  }
}

function commitLine(lines: Lines, label: string, commit: Commit | undefined): void {
  if (commit === undefined) return;
  const expected = commit.Expected && commit.Expected !== commit.ID ? ` (expected: ${commit.Expected})` : '';
  lines.line(label, commit.ID + expected);
}

function securityLines(lines: Lines, options: readonly string[]): void {
  if (options.length === 0) return;
  lines.text += ' Security Options:\n';
  for (const option of options) {
    const pairs = option.split(',').map((pair) => pair.split('=') as [string, string?]);
    const name = pairs.find(([key]) => key === 'name')?.[1] ?? option;
    lines.text += `  ${name}\n`;
    for (const [key, value] of pairs) {
      if (key === 'name' || value === undefined) continue;
      lines.line(key === 'profile' ? 'Profile' : key, value, '   ');
    }
  }
}

function pluginLines(lines: Lines, plugins: InfoResponse['Plugins']): void {
  lines.text += ' Plugins:\n';
  lines.line('Volume', (plugins.Volume ?? []).join(' '), '  ');
  lines.line('Network', (plugins.Network ?? []).join(' '), '  ');
  if (plugins.Authorization?.length) lines.line('Authorization', plugins.Authorization.join(' '), '  ');
  lines.line('Log', (plugins.Log ?? []).join(' '), '  ');
}

function countLines(lines: Lines, info: InfoResponse): void {
  lines.line('Containers', info.Containers);
  lines.line('Running', info.ContainersRunning, '  ');
  lines.line('Paused', info.ContainersPaused, '  ');
  lines.line('Stopped', info.ContainersStopped, '  ');
  lines.line('Images', info.Images);
  lines.some('Server Version', info.ServerVersion);
}

function registryLines(lines: Lines, registry: InfoResponse['RegistryConfig']): void {
  if (registry === null || registry === undefined) return;
  const insecure = Object.values(registry.IndexConfigs ?? {})
    .filter((index) => !index.Secure)
    .map((index) => index.Name);
  lines.list('Insecure Registries', [...insecure, ...(registry.InsecureRegistryCIDRs ?? [])]);
  lines.list('Registry Mirrors', registry.Mirrors);
}

/** What follows `Server:` in `tare info`. */
export function serverInfoText(info: InfoResponse): string {
  const lines = new Lines();
  countLines(lines, info);
  lines.some('Storage Driver', info.Driver);
  for (const [label, value] of info.DriverStatus ?? []) lines.line(label, value, '  ');
  lines.some('Logging Driver', info.LoggingDriver);
  lines.some('Cgroup Driver', info.CgroupDriver);
  lines.some('Cgroup Version', info.CgroupVersion);
  pluginLines(lines, info.Plugins);
  lines.list('CDI spec directories', info.CDISpecDirs);
  lines.list(
    'Discovered Devices',
    info.DiscoveredDevices?.map(({ Source, ID }) => `${Source}: ${ID}`),
  );
  lines.line('Swarm', info.Swarm?.LocalNodeState ?? 'inactive');
  const runtimes = Object.keys(info.Runtimes ?? {}).sort();
  if (runtimes.length > 0) {
    lines.line('Runtimes', runtimes.join(' '));
    lines.line('Default Runtime', info.DefaultRuntime);
  }
  lines.line('Init Binary', info.InitBinary);
  commitLine(lines, 'containerd version', info.ContainerdCommit);
  commitLine(lines, 'runc version', info.RuncCommit);
  commitLine(lines, 'init version', info.InitCommit);
  securityLines(lines, info.SecurityOptions ?? []);
  lines.some('Kernel Version', info.KernelVersion);
  lines.some('Operating System', info.OperatingSystem);
  lines.some('OSType', info.OSType);
  lines.some('Architecture', info.Architecture);
  lines.line('CPUs', info.NCPU);
  lines.line('Total Memory', humanBytes(info.MemTotal));
  lines.some('Name', info.Name);
  lines.some('ID', info.ID);
  lines.some('Docker Root Dir', info.DockerRootDir);
  lines.line('Debug Mode', info.Debug);
  lines.some('HTTP Proxy', info.HttpProxy);
  lines.some('HTTPS Proxy', info.HttpsProxy);
  lines.some('No Proxy', info.NoProxy);
  lines.list('Labels', info.Labels);
  lines.line('Experimental', info.ExperimentalBuild);
  registryLines(lines, info.RegistryConfig);
  lines.line('Live Restore Enabled', info.LiveRestoreEnabled);
  lines.some('Product License', info.ProductLicense);
  if (info.DefaultAddressPools?.length) {
    lines.text += ' Default Address Pools:\n';
    for (const { Base, Size } of info.DefaultAddressPools) lines.text += `   Base: ${Base}, Size: ${Size}\n`;
  }
  if (info.FirewallBackend) lines.line('Firewall Backend', info.FirewallBackend.Driver);
  return `${lines.text}\n`;
}
