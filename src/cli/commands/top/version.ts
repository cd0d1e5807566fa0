import { buildVersion } from '../../../base/build-version.ts';
import type { VersionResponse } from '../../../wire/system.ts';
import { API_VERSION } from '../../client/client.ts';
import { defineCommand } from '../../command.ts';
import type { CommandContext } from '../../context.ts';
import { CommandFailure, describeError } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { text } from '../../flags/kinds.ts';

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

function clientPart(apiVersion: string) {
  const { version, commit, time } = buildVersion();
  return {
    Version: version,
    ApiVersion: apiVersion,
    DefaultAPIVersion: API_VERSION,
    GitCommit: commit,
    BunVersion: Bun.version,
    Os: process.platform,
    Arch: ARCHITECTURES[process.arch] ?? process.arch,
    BuildTime: time,
    Context: 'default',
  };
}

/** `Thu May  7 21:09:36 2026`, as docker writes build times; other texts stay as they are. */
function buildTime(text: string): string {
  const date = new Date(text);
  if (text === '' || Number.isNaN(date.getTime())) return text;
  const [day, , month] = date.toUTCString().replace(',', '').split(' ');
  const time = date.toISOString().slice(11, 19);
  return `${day} ${month} ${String(date.getUTCDate()).padStart(2)} ${time} ${date.getUTCFullYear()}`;
}

type Line = readonly [label: string, value: string];

function block(lines: readonly Line[], indent: string): string {
  return lines
    .map(([label, value]) => `${indent}${`${label}:`.padEnd(20 - indent.length)}${value}\n`)
    .join('');
}

function clientText(client: ReturnType<typeof clientPart>): string {
  const downgraded = client.ApiVersion === API_VERSION ? '' : ` (downgraded from ${API_VERSION})`;
  return `Client:\n${block(
    [
      ['Version', client.Version],
      ['API version', client.ApiVersion + downgraded],
      ['Bun version', client.BunVersion],
      ['Git commit', client.GitCommit],
      ['Built', buildTime(client.BuildTime)],
      ['OS/Arch', `${client.Os}/${client.Arch}`],
      ['Context', client.Context],
    ],
    ' ',
  )}`;
}

function componentLines(name: string, details: Readonly<Record<string, string>>, version: string): Line[] {
  if (name !== 'Engine') return [['Version', version], ...Object.entries(details).sort()];
  // The API's field is named for Go; our daemon says there that it runs on Bun.
  const bun = /^bun (.*)$/.exec(details.GoVersion ?? '')?.[1];
  const runtime: Line = bun === undefined ? ['Go version', details.GoVersion ?? ''] : ['Bun version', bun];
  return [
    ['Version', version],
    ['API version', `${details.ApiVersion} (minimum version ${details.MinAPIVersion})`],
    runtime,
    ['Git commit', details.GitCommit ?? ''],
    ['Built', buildTime(details.BuildTime ?? '')],
    ['OS/Arch', `${details.Os}/${details.Arch}`],
    ['Experimental', details.Experimental ?? 'false'],
  ];
}

function serverText(server: VersionResponse): string {
  const platform = server.Platform?.Name ? ` ${server.Platform.Name}` : '';
  const components = (server.Components ?? []).map(({ Name, Version, Details }) => {
    return ` ${Name}:\n${block(componentLines(Name, Details ?? {}, Version), '  ')}`;
  });
  return `\nServer:${platform}\n${components.join('')}`;
}

async function run(context: CommandContext, format: string): Promise<number> {
  let server: VersionResponse | undefined;
  let problem = '';
  try {
    server = await context.client.json<VersionResponse>('GET', '/version');
  } catch (error) {
    problem = describeError(error);
  }
  const client = clientPart(context.client.apiVersion);
  if (format === '') {
    context.console.out(clientText(client) + (server === undefined ? '' : serverText(server)));
  } else {
    const { parseFormat } = await import('../../format/listing.ts');
    const { printByTemplate } = await import('../print-object.ts');
    const template = parseFormat(format === 'json' ? '{{json .}}' : format, 'template parsing error', 64);
    printByTemplate(context, template, { Client: client, Server: server ?? null }, 'system.versionInfo');
  }
  if (problem !== '') throw new CommandFailure(problem);
  return 0;
}

export const command = defineCommand({
  name: 'version',
  summary: 'Show the versions of client and daemon',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  startsDaemon: false,
  flags: {
    format: flag(text, { short: 'f', help: "How to print: 'json' or a Go template" }),
  },
  run: (context, flags) => run(context, flags.format),
});
