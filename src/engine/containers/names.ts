import { randomInt } from 'node:crypto';
import { TareError } from '../../base/errors.ts';

const FIRST =
  'amber ample apt ardent balmy bold brave breezy bright brisk calm candid cheery civil clear clever cosy crisp daring deft eager early easy fair fast fine firm fleet fond frank fresh gentle glad golden grand green happy hardy honest humble jolly keen kind light limber lively loyal lucid lucky mellow merry mild modest neat nimble noble patient placid plucky polite prime proud quick quiet rapid ready rosy sage silent sincere sleek smooth snug sober solid spry steady still stout sunny sure swift tender tidy true upbeat vivid warm wise witty zesty'.split(
    ' ',
  );
const SECOND =
  'acorn alder ash aspen badger beech birch bison brook cedar cherry clover condor coral crane cypress delta dolphin eagle egret elm falcon fern finch fir fjord fox gecko glade goose grove gull harbor hare hawk hazel heron hickory holly ibis iris ivy jay juniper kestrel lagoon lark laurel lemur linden lotus lynx magpie maple marten meadow mesa moose moss myrtle oak olive orchid oriole osprey otter owl panda pebble pelican pine plover poplar puffin quail raven reef robin rowan sable salmon seal sequoia sparrow spruce stork swan sycamore tern thistle thrush tulip tundra walnut willow wren yew'.split(
    ' ',
  );

/** A readable name that `taken` does not know, as Docker makes for containers without one. */
export function randomName(taken: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const base = `${FIRST[randomInt(FIRST.length)]}_${SECOND[randomInt(SECOND.length)]}`;
    const name = attempt < 4 ? base : `${base}${randomInt(10 ** Math.min(attempt, 9))}`;
    if (!taken(name)) return name;
  }
}

/** Strips one leading slash and checks Docker's rule for container names. */
export function checkName(name: string): string {
  const bare = name.startsWith('/') ? name.slice(1) : name;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(bare)) {
    throw new TareError(
      'invalid',
      `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
  }
  return bare;
}
