import { TareError, wrapError } from '../../base/errors.ts';
import type { EventBus } from '../events/events.ts';
import { storageError } from './local-driver.ts';
import type { VolumeDriver } from './volume-driver.ts';
import type { VolumeDrivers } from './volume-drivers.ts';
import type { VolumeRows } from './volume-rows.ts';
import type { CreateVolume, Volume } from './volumes.ts';

/** Label that Docker gives to volumes nobody named. */
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

interface VolumeMakerOptions {
  readonly drivers: VolumeDrivers;
  readonly events: Pick<EventBus, 'emit'>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** Makes volumes: the place first, then the row. The caller holds the name and knows that it is free. */
export class VolumeMaker {
  readonly #rows: VolumeRows;
  readonly #options: VolumeMakerOptions;

  constructor(rows: VolumeRows, options: VolumeMakerOptions) {
    this.#rows = rows;
    this.#options = options;
  }

  /** `claim`: see `acquire`. `created` is false for what a plugin had already. */
  async make(
    name: string,
    request: CreateVolume,
    claim: string | undefined,
  ): Promise<{ volume: Volume; created: boolean }> {
    const { drivers, now = Date.now } = this.#options;
    const { local } = drivers;
    const anonymous = request.name === '';
    const elsewhere = request.driver === '' && !anonymous ? await drivers.findElsewhere(name) : undefined;
    const driver = elsewhere?.driver ?? (await drivers.get(request.driver, `create ${name}`));
    const there = elsewhere?.entry ?? (driver === local || anonymous ? undefined : await driver.get(name));
    if (there === undefined) await makeIn(driver, name, request.options);
    const entry = there ?? (await driver.get(name)) ?? { name, mountpoint: '' };
    const volume: Volume = {
      name,
      driver: driver.name,
      scope: driver.scope,
      mountpoint: entry.mountpoint,
      createdAt: entry.createdAt ?? now(),
      labels: anonymous ? { ...request.labels, [ANONYMOUS_LABEL]: '' } : { ...request.labels },
      options: { ...request.options },
      anonymous: anonymous || ANONYMOUS_LABEL in request.labels,
    };
    try {
      this.#rows.insert(volume, claim);
    } catch (error) {
      if (driver === local) local.abandon(name);
      else if (there === undefined) await driver.remove(volume).catch(() => {});
      throw error;
    }
    this.#created(volume);
    return { volume, created: there === undefined };
  }

  /** A volume of the local driver whose content `fill` puts into a directory: with all of it or not at all. */
  async makeFilled(
    name: string,
    labels: Volume['labels'],
    fill: (directory: string) => Promise<void>,
  ): Promise<Volume> {
    const { drivers, now = Date.now } = this.#options;
    const { local } = drivers;
    const stage = local.stage();
    try {
      await fill(`${stage}/_data`);
      local.createFrom(stage, name);
    } catch (error) {
      await local.discard(stage);
      throw storageError(error, `create ${name}`);
    }
    const volume: Volume = {
      name,
      driver: local.name,
      scope: local.scope,
      mountpoint: local.mountpoint(name),
      createdAt: now(),
      labels,
      options: {},
      anonymous: false,
    };
    try {
      this.#rows.insert(volume, undefined);
    } catch (error) {
      local.abandon(name);
      throw error;
    }
    local.finish(name);
    this.#created(volume);
    return volume;
  }

  #created({ name, driver }: Volume): void {
    this.#options.events.emit({ type: 'volume', action: 'create', id: name, attributes: { driver } });
  }
}

async function makeIn(driver: VolumeDriver, name: string, options: CreateVolume['options']): Promise<void> {
  try {
    await driver.create({ name, options });
  } catch (error) {
    // A system call's error says what to do about a full disk.
    throw error instanceof TareError && !('code' in error)
      ? wrapError(error, `create ${name}`)
      : storageError(error, `create ${name}`);
  }
}
