// The error of a network without a free subnet.
import { WeftError } from '../../api/errors.ts';
import type { NetworkConfig } from '../config/config.ts';

export class PoolExhaustedError extends WeftError {
  /** @param size - how many subnets the pool has, taken or not. */
  constructor(config: NetworkConfig, size: number | bigint) {
    const ranges = [config.ipv4, config.ipv6]
      .filter((range) => range !== undefined)
      .map((range) => `${range.network} (/${range.subnetLength} from ${range.min} to ${range.max})`);
    super(
      'SUBNET_EXHAUSTED',
      `No subnet is free in ${ranges.join(' and ')}: all ${size} are leased or reserved. ` +
        'Remove keys of hosts that are gone, or configure a larger network or smaller subnets',
    );
  }
}
