import { TareError } from '../../base/errors.ts';
import type { BuildKit } from '../../buildkit/buildkit.ts';
import type { Exchange } from '../exchange.ts';
import type { Route } from '../router.ts';

const SWITCH = 'HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';

/** BuildKit's two connections: both become HTTP/2, which the API has nothing more to do with. */
export function buildKitRoutes({ buildkit }: { readonly buildkit: () => Promise<BuildKit> }): Route[] {
  return [
    {
      method: 'POST',
      pattern: '/grpc',
      async handle(x) {
        checkUpgrade(x);
        const kit = await buildkit();
        const socket = x.upgradeSocket();
        socket.write(SWITCH);
        kit.serve(socket);
      },
    },
    {
      method: 'POST',
      pattern: '/session',
      async handle(x) {
        checkUpgrade(x);
        const kit = await buildkit();
        kit.checkSession(x.request.headers);
        const socket = x.upgradeSocket();
        socket.write(SWITCH);
        kit.join(x.request.headers, socket);
      },
    },
  ];
}

function checkUpgrade(x: Exchange): void {
  if (!x.upgradable) throw new TareError('invalid', 'no upgrade proto in request');
  const protocol = x.request.headers.upgrade ?? '';
  if (protocol !== 'h2c') throw new TareError('invalid', `protocol ${protocol} not supported`);
}
