import type { Listener } from '../../../kernel/listeners.ts';
import type { SurveyedChain } from '../../../netdriver/firewall-survey.ts';
import type { Network } from '../../networks/networks.ts';
import type { Container } from '../model.ts';

/** What an explanation is made from. */
export interface NetworkFacts {
  /** Name of our nftables table. */
  readonly table: string;
  /** Published ports obey the host's input policy. */
  readonly filtered: boolean;
  readonly chains: readonly SurveyedChain[];
  /** Bare addresses of the host. */
  readonly addresses: readonly string[];
  /** Programs of the host that listen, the daemon's own sockets left out. */
  readonly programs: ReadonlyArray<Listener & { readonly program: string }>;
  readonly networks: ReadonlyArray<
    Pick<Network, 'id' | 'name' | 'driver' | 'bridgeName' | 'internal' | 'icc' | 'masquerade'>
  >;
  readonly containers: ReadonlyArray<{
    readonly container: Container;
    /** What listens in its network. */
    readonly listeners: readonly Listener[];
  }>;
}
