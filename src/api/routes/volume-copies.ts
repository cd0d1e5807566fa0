import type { VolumeCopies } from '../../engine/volumes/volume-copies.ts';
import { bodyStream, readJson } from '../body.ts';
import { record, string } from '../codec/codec.ts';
import { field, object } from '../codec/object.ts';
import { volumeToWire } from '../convert/volume.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { text } from '../query.ts';
import type { Route } from '../router.ts';
import { pipeTar } from '../tar-answer.ts';

interface Dependencies {
  readonly volumeCopies: Pick<VolumeCopies, 'export' | 'import' | 'clone' | 'rename'>;
}

const cloneBody = object<{ name: string; labels: Record<string, string> }>('VolumeClone', {
  name: field('Name', string),
  labels: field('Labels', record(string)),
});
const renameBody = object<{ name: string }>('VolumeRename', { name: field('Name', string) });

/**
 * Tare's own: `GET /tare/volumes/archive?volume=NAME` is a volume's content as a tar, `PUT` unpacks one into it; `POST
 * /tare/volumes/clone` and `…/rename` with `{"Name": NEW}` answer with the volume.
 */
export function volumeCopyRoutes({ volumeCopies }: Dependencies): Route[] {
  const at = '/tare/volumes';
  return [
    {
      method: 'GET',
      pattern: `${at}/archive`,
      handle: async (x) => pipeTar(x, await volumeCopies.export(nameOf(x)), 'application/x-tar'),
    },
    {
      method: 'PUT',
      pattern: `${at}/archive`,
      handle: async (x) => x.json(200, volumeToWire(await volumeCopies.import(nameOf(x), bodyStream(x)))),
    },
    {
      method: 'POST',
      pattern: `${at}/clone`,
      async handle(x) {
        const { name, labels } = await readJson(x, cloneBody);
        x.json(201, volumeToWire(await volumeCopies.clone(nameOf(x), name, labels)));
      },
    },
    {
      method: 'POST',
      pattern: `${at}/rename`,
      async handle(x) {
        const { name } = await readJson(x, renameBody);
        x.json(200, volumeToWire(await volumeCopies.rename(nameOf(x), name)));
      },
    },
  ];
}

function nameOf(x: Exchange): string {
  const name = text(x, 'volume');
  if (name === '') throw new HttpError(400, 'no volume given: the parameter volume is needed');
  return name;
}
