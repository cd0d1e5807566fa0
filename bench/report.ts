/** The table that the bench prints, and the machine it was measured on. */

import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, uptime } from 'node:os';
import type { Unit } from './workloads.ts';

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly target: string;
  readonly unit: Unit;
  /** Medians by engine; an engine that is not measured here has none. */
  readonly values: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}

/** One line: kernel, processors, memory, file system of the data, cgroups, date. */
export function describeMachine(): string {
  const processors = cpus();
  const system = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  const cgroups = mounts.includes(' - cgroup ') ? 'v1 (hybrid)' : 'v2';
  const disk = ['/var/tmp', '/var', '/']
    .map((place) => new RegExp(`^\\S+ \\S+ \\S+ \\S+ ${place} .* - (\\S+) `, 'm').exec(mounts)?.[1])
    .find((type) => type !== undefined);
  return [
    system,
    `kernel ${release()}`,
    `${processors.length} x ${processors[0]?.model ?? process.arch}`,
    `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    `data on ${disk}`,
    `cgroup ${cgroups}`,
    `up ${(uptime() / 60).toFixed(0)} min`,
    new Date().toISOString().slice(0, 16).replace('T', ' '),
  ].join(', ');
}

/** A Markdown table, aligned so that it reads well as plain text. */
export function table(rows: readonly Row[], engines: readonly string[]): string {
  const reference = engines.find((name) => name === 'dockerd');
  const floor = rows.find((row) => row.id === 'floor')?.values.tare;
  const lines = [['work', ...engines, 'against dockerd', 'to reach', 'notes']];
  for (const row of rows) {
    const own = row.values.tare;
    const other = reference === undefined ? undefined : row.values[reference];
    const ratios: string[] = [];
    if (own !== undefined && other !== undefined) ratios.push(`${(own / other).toFixed(2)}x`);
    if (own !== undefined && floor !== undefined && row.target.includes('floor')) {
      ratios.push(`${(own / floor).toFixed(2)}x floor`);
    }
    const cells = engines.map((name) => cell(row.values[name], row.unit));
    lines.push([row.title, ...cells, ratios.join(', '), row.target, row.notes.join('; ')]);
  }
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const text = lines.map((line) => `| ${line.map((value, i) => value.padEnd(widths[i]!)).join(' | ')} |`);
  text.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  return text.join('\n');
}

function cell(value: number | undefined, unit: Unit): string {
  if (value === undefined) return '';
  if (unit === 'x') return `${value.toFixed(2)}x`;
  if (unit === 'MB') return `${value.toFixed(1)} MB`;
  if (unit === 'Gbit/s') return `${value.toFixed(1)} Gbit/s`;
  if (unit === '/s') return `${Math.round(value)}/s`;
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(1)} ms`;
}
