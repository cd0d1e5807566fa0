import type { ContainerArchives } from '../../engine/containers/container-archives.ts';
import { type ContainerPathStat, PATH_STAT_HEADER, toGoMode } from '../../wire/archive.ts';
import { bodyStream } from '../body.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { flag, text } from '../query.ts';
import type { Route } from '../router.ts';
import { pipeTar } from '../tar-answer.ts';

interface Dependencies {
  readonly archives: Pick<ContainerArchives, 'stat' | 'get' | 'put'>;
}

/** Copying files in and out of containers. */
export function containerArchiveRoutes({ archives }: Dependencies): Route[] {
  const pattern = '/containers/{name}/archive';
  return [
    {
      method: 'HEAD',
      pattern,
      async handle(x) {
        const status = await archives.stat(x.param, pathOf(x));
        x.begin(200, { [PATH_STAT_HEADER]: encodeStatus(status), 'Content-Length': '0' }).end();
      },
    },
    {
      method: 'GET',
      pattern,
      async handle(x) {
        const { status, tar } = await archives.get(x.param, pathOf(x));
        await pipeTar(x, tar, 'application/x-tar', { [PATH_STAT_HEADER]: encodeStatus(status) });
      },
    },
    {
      method: 'PUT',
      pattern,
      async handle(x) {
        await archives.put(x.param, pathOf(x), bodyStream(x), {
          noOverwriteDirNonDir: flag(x, 'noOverwriteDirNonDir'),
          copyUIDGID: flag(x, 'copyUIDGID'),
        });
        x.empty(200);
      },
    },
  ];
}

function pathOf(x: Exchange): string {
  const path = text(x, 'path');
  // The missing blank is dockerd's.
  if (path === '') throw new HttpError(400, 'bad parameter: pathcannot be empty');
  return path;
}

type PathStatus = Awaited<ReturnType<ContainerArchives['stat']>>;

function encodeStatus(status: PathStatus): string {
  const { name, size, mode, seconds, nanoseconds, linkTarget } = status;
  const mtime = goTime(seconds, nanoseconds);
  const stat: ContainerPathStat = { name, size, mode: toGoMode(mode), mtime, linkTarget };
  return Buffer.from(JSON.stringify(stat)).toString('base64');
}

/** RFC 3339 with as many digits of a second as there are. */
function goTime(seconds: number, nanoseconds: number): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, -5);
  const fraction = String(nanoseconds).padStart(9, '0').replace(/0+$/, '');
  return `${whole}${fraction === '' ? '' : `.${fraction}`}Z`;
}
