import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { LimitSupport } from './system.ts';

/** Reads what the kernel tells about the machine; the root can be another directory in tests. */
export class Machine {
  readonly #root: string;

  constructor(root = '') {
    this.#root = root;
  }

  #read(path: string): string {
    try {
      return readFileSync(this.#root + path, 'utf8').trim();
    } catch {
      return '';
    }
  }

  #has(path: string): boolean {
    return existsSync(this.#root + path);
  }

  /** Total memory in bytes. */
  memory(): number {
    const match = /^MemTotal:\s+(\d+) kB/m.exec(this.#read('/proc/meminfo'));
    return Number(match?.[1] ?? 0) * 1024;
  }

  /** Name and version of the distribution (os-release(5)). */
  operatingSystem(): { name: string; version: string } {
    const text = this.#read('/etc/os-release') || this.#read('/usr/lib/os-release');
    const value = (key: string) =>
      (new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? '').replace(/^["']|["']$/g, '');
    return { name: value('PRETTY_NAME') || 'Linux', version: value('VERSION_ID') };
  }

  ipv4Forwarding(): boolean {
    return this.#read('/proc/sys/net/ipv4/ip_forward') === '1';
  }

  openFiles(): number {
    try {
      return readdirSync(`${this.#root}/proc/self/fd`).length;
    } catch {
      return 0;
    }
  }

  /** 2 when all controllers are in the unified hierarchy. */
  cgroupVersion(): 1 | 2 {
    return this.#has('/sys/fs/cgroup/cgroup.controllers') ? 2 : 1;
  }

  /** Which controllers and files there are to set limits with. */
  limits(): LimitSupport {
    return this.cgroupVersion() === 2 ? this.#limitsV2() : this.#limitsV1();
  }

  #limitsV1(): LimitSupport {
    const file = (path: string) => this.#has(`/sys/fs/cgroup/${path}`);
    return {
      memory: file('memory/memory.limit_in_bytes'),
      swap: file('memory/memory.memsw.limit_in_bytes'),
      oomKillDisable: file('memory/memory.oom_control'),
      cpuCfsPeriod: file('cpu/cpu.cfs_period_us'),
      cpuCfsQuota: file('cpu/cpu.cfs_quota_us'),
      cpuShares: file('cpu/cpu.shares'),
      cpuSet: file('cpuset/cpuset.cpus'),
      pids: file('pids'),
    };
  }

  #limitsV2(): LimitSupport {
    const controllers = this.#read('/sys/fs/cgroup/cgroup.controllers').split(/\s+/);
    const has = (name: string) => controllers.includes(name);
    return {
      memory: has('memory'),
      swap: has('memory') && this.#has('/proc/swaps'),
      // The unified hierarchy has no such switch.
      oomKillDisable: false,
      cpuCfsPeriod: has('cpu'),
      cpuCfsQuota: has('cpu'),
      cpuShares: has('cpu'),
      cpuSet: has('cpuset'),
      pids: has('pids'),
    };
  }
}
