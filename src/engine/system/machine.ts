import { readdirSync, readFileSync } from 'node:fs';

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
}
