/** What the bench asks of an engine, so that the same work runs on each. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { clearAway } from '../test/support/clear-away.ts';
import { must, run } from '../test/support/command.ts';

export interface Engine {
  readonly name: string;
  /** Starts it in a network namespace of its own and imports `busybox`. */
  start(): Promise<void>;
  /** Removes its containers and takes everything away that it made. */
  stop(): Promise<void>;
  /** Its version, and its client's where that is another program. */
  version(): Promise<string>;
  /** The command line for a client command in Docker's words (`run`, `exec`, `rm`, …). */
  argv(args: readonly string[]): string[];
  readonly env: Record<string, string>;
  /** Prefix of a command line that runs in its network namespace. */
  readonly inside: readonly string[];
  /** Folder of its images and containers. */
  readonly store: string;
  /** Processes of the daemon at rest. Empty for an engine without one. */
  daemonPids(): number[];
  /** Processes that hold running containers: monitors, shims. */
  helperPids(): number[];
}

export interface Timed {
  readonly milliseconds: number;
  readonly stdout: string;
}

/** Runs a client command to its end. Throws when it fails. */
export async function timed(engine: Engine, args: readonly string[]): Promise<Timed> {
  const begin = performance.now();
  const child = Bun.spawn(engine.argv(args), {
    cwd: '/',
    env: { ...process.env, ...engine.env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const milliseconds = performance.now() - begin;
  if (child.exitCode !== 0)
    throw new Error(`${engine.name}: ${args.join(' ')} ended with ${child.exitCode}: ${stderr}`);
  return { milliseconds, stdout: stdout.trim() };
}

/** A folder and a network namespace that go away together. Names begin with `tb`. */
export class Place {
  readonly root: string;
  readonly namespace: string;

  constructor(kind: string) {
    // Not in /tmp: that may be a file system in memory, which no engine is meant for.
    this.root = mkdtempSync(`/var/tmp/tare-bench-${kind}-`);
    this.namespace = `tb-${kind}-${process.pid}`;
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  async open(): Promise<void> {
    await must(['ip', 'netns', 'add', this.namespace]);
    await must([...this.inside, 'ip', 'link', 'set', 'lo', 'up']);
  }

  /** Prefix of a command line that runs inside. `ip netns exec` would hide the cgroups below a new /sys. */
  get inside(): string[] {
    return ['nsenter', `--net=/run/netns/${this.namespace}`, '--'];
  }

  async close(): Promise<void> {
    await clearAway({ roots: [this.root], bridge: '', isolated: true, containers: new Set() });
    await run(['ip', 'netns', 'delete', this.namespace]);
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Pids of processes whose command line names this folder. */
  pids(matches: (command: string) => boolean): number[] {
    return readdirSync('/proc').flatMap((name) => {
      if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.includes(`${this.root}/`) && matches(command) ? [Number(name)] : [];
      } catch {
        return [];
      }
    });
  }
}

/**
 * A field of `/proc/PID/smaps_rollup`, summed over `pids`, in bytes. `Pss` shares pages out, `Rss` does not. What has ended
 * counts nothing.
 */
export function memory(pids: readonly number[], field: 'Rss' | 'Pss'): number {
  let sum = 0;
  for (const pid of pids) {
    const text = smaps(pid);
    sum += Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
  }
  return sum;
}

function smaps(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  } catch {
    return '';
  }
}
