import { TareError } from '../../base/errors.ts';
import type { ImageConfigFile } from '../../oci/image-config.ts';
import { hostPlatform } from '../../oci/platform.ts';
import type { Image, ImageService } from '../images/images.ts';
import type { StepCache, StepRecord } from './step-cache.ts';

/** Label of an image that is nothing but a cache: its layers are those of the records, in no order that means anything. */
const CACHE_LABEL = 'tare.build-cache';
/** Label of an image that brings the records of its own layers (`--cache-to type=inline`). */
const INLINE_LABEL = 'tare.inline-cache';

/** As it stands in a label. */
interface PackedRecord {
  readonly key: string;
  readonly layer?: string;
  readonly description: string;
  readonly parents: readonly string[];
  readonly createdAt: number;
}

export interface CacheImagesParts {
  readonly steps: Pick<StepCache, 'all' | 'find' | 'put'>;
  readonly images: Pick<ImageService, 'get' | 'find' | 'work' | 'tag' | 'remove'>;
}

/**
 * The build cache as images, which can be saved, loaded, pushed and pulled like any other: layers, and in a label which
 * step made which. Whoever takes a cache in trusts it as much as an image: it says what steps have made.
 */
export class CacheImages {
  readonly #parts: CacheImagesParts;

  constructor(parts: CacheImagesParts) {
    this.#parts = parts;
  }

  /** Makes an image of the records of these keys. Returns its id. */
  async pack(keys: readonly string[]): Promise<string> {
    const records = this.#records(keys);
    const { architecture, os, variant } = hostPlatform();
    const layers = new Set(records.flatMap(({ layer }) => layer ?? []));
    return await this.#parts.images.work(async (work) => {
      // One that has been removed meanwhile is not exported.
      const here = [...layers].filter((layer) => work.layers.hasLayer(layer));
      const whole = records.filter(({ layer }) => layer === undefined || here.includes(layer));
      const config: ImageConfigFile = {
        architecture,
        os,
        ...(variant !== undefined && { variant }),
        created: '1970-01-01T00:00:00Z',
        config: { Labels: { [CACHE_LABEL]: JSON.stringify(whole.map(packed)) } },
        rootfs: { type: 'layers', diff_ids: here },
        history: here.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'build cache' })),
      };
      return (await work.assemble(config, '')).id;
    });
  }

  /** Gives an image the records of its own layers: another image takes its place. Returns that one's id. */
  async inline(id: string, keys: readonly string[], tags: readonly string[]): Promise<string> {
    const { images } = this.#parts;
    const image = images.get(id);
    const own = new Set(image.config.rootfs.diff_ids);
    const records = this.#records(keys).filter(({ layer }) => layer === undefined || own.has(layer));
    const label = JSON.stringify(records.map(packed));
    const config: ImageConfigFile = {
      ...image.config,
      config: { ...image.config.config, Labels: { ...image.config.config?.Labels, [INLINE_LABEL]: label } },
    };
    const made = await images.work(async (work) => {
      const { id: next } = await work.assemble(config, image.parent);
      for (const tag of tags) await images.tag(next, tag);
      return next;
    });
    const left = images.find(id);
    if (left !== undefined && left.repoTags.length === 0) {
      await images.remove(id, { force: false, noPrune: true }).catch(() => {});
    }
    return made;
  }

  /** The records of the keys of a build, by which a part of an image's own layers is meant. */
  ofLayers(keys: readonly string[], layers: readonly string[]): string[] {
    const own = new Set(layers);
    return this.#records(keys).flatMap(({ key, layer }) =>
      layer !== undefined && own.has(layer) ? [key] : [],
    );
  }

  #records(keys: readonly string[]): StepRecord[] {
    const wanted = new Set(keys);
    return this.#parts.steps.all().filter(({ key }) => wanted.has(key));
  }

  /**
   * Takes the records of an image in; an image that is nothing but a cache is removed then. Returns how many there were;
   * 0 for an image without.
   */
  async takeIn(reference: string): Promise<number> {
    const { images, steps } = this.#parts;
    const image = images.get(reference);
    const records = recordsOf(image);
    for (const { key, layer, description, parents, createdAt } of records) {
      steps.put({ key, layer, description, parents, createdAt });
    }
    if (image.config.config?.Labels?.[CACHE_LABEL] !== undefined) {
      await images.remove(image.id, { force: true, noPrune: true });
    }
    return records.length;
  }
}

function packed({ key, layer, description, parents, createdAt }: StepRecord): PackedRecord {
  return { key, ...(layer !== undefined && { layer }), description, parents, createdAt };
}

function recordsOf(image: Image): PackedRecord[] {
  const labels = image.config.config?.Labels ?? {};
  const text = labels[CACHE_LABEL] ?? labels[INLINE_LABEL];
  if (text === undefined) return [];
  const own = new Set(image.config.rootfs.diff_ids);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  if (!Array.isArray(json) || !json.every(isRecord)) {
    throw new TareError('corrupt', `the build cache in ${image.id} is damaged: export it again`);
  }
  // A record of a layer that did not come with it would be found and lead nowhere.
  return json.filter(({ layer }) => layer === undefined || own.has(layer));
}

function isRecord(value: unknown): value is PackedRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { key, layer, description, parents, createdAt } = value as Record<string, unknown>;
  const isKey = (one: unknown): boolean => typeof one === 'string' && /^[0-9a-f]{64}$/.test(one);
  return (
    isKey(key) &&
    (layer === undefined || (typeof layer === 'string' && /^sha256:[0-9a-f]{64}$/.test(layer))) &&
    typeof description === 'string' &&
    Array.isArray(parents) &&
    parents.every(isKey) &&
    Number.isSafeInteger(createdAt)
  );
}
