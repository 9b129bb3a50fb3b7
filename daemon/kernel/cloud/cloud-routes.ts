// The route of this host's subnet in Tencent Cloud's route table, as a table of the kernel. What is
// there is read when the route is set; between two sets it counts as it was set, so that a resync
// asks the cloud for nothing.
import type { CloudRouteObject } from '../../../backends/kernel-state.ts';
import { escapeControls } from '../../../lib/escape.ts';
import { DONE, type Outcome } from '../netlink/outcome.ts';
import {
  callTencent,
  findPlace,
  type CloudPlace,
  type CloudRoute,
  type CloudRouteTable,
  type Fetch,
  type TencentCredentials,
} from './tencent-api.ts';

const GATEWAY_TYPE = 'NORMAL_CVM';

export class CloudRoutes {
  readonly #fetch: Fetch;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #known = new Map<string, CloudRouteObject>();
  #place: CloudPlace | undefined;

  constructor(fetch: Fetch, env: Readonly<Record<string, string | undefined>> = process.env) {
    this.#fetch = fetch;
    this.#env = env;
  }

  list(): readonly CloudRouteObject[] {
    return [...this.#known.values()];
  }

  /** Never rejects. */
  async apply(action: 'set' | 'remove', route: CloudRouteObject): Promise<Outcome> {
    try {
      await (action === 'set' ? this.#set(route) : this.#remove(route));
      return DONE;
    } catch (error) {
      const message = `Cannot ${action} the route ${route.destination} in Tencent Cloud: ${escapeControls((error as Error).message)}`;
      return { status: 'rejected', errno: 'EREMOTEIO', message };
    }
  }

  async #set(route: CloudRouteObject): Promise<void> {
    const { table, same, others } = await this.#find(route);
    // A disabled one of this host, and one to a host that had the subnet before.
    if (others.length > 0) await this.#delete(route, table, others);
    if (!same) {
      const wanted = {
        DestinationCidrBlock: route.destination,
        GatewayType: GATEWAY_TYPE,
        GatewayId: route.gateway,
      };
      await this.#call(route, 'CreateRoutes', {
        RouteTableId: table.RouteTableId,
        Routes: [{ ...wanted, Enabled: true, RouteDescription: 'weft' }],
      });
    }
    this.#known.set(route.destination, route);
  }

  async #remove(route: CloudRouteObject): Promise<void> {
    const { table } = await this.#find(route);
    const own = table.RouteSet.filter((each) => isUserRoute(each, route) && each.GatewayId === route.gateway);
    if (own.length > 0) await this.#delete(route, table, own);
    this.#known.delete(route.destination);
  }

  async #find(route: CloudRouteObject): Promise<{
    readonly table: CloudRouteTable;
    /** The route is there. */
    readonly same: boolean;
    /** Other user routes to the subnet. */
    readonly others: readonly CloudRoute[];
  }> {
    this.#place ??= await findPlace(this.#fetch);
    const { vpcId } = this.#place;
    const filter = { Filters: [{ Name: 'vpc-id', Values: [vpcId] }] };
    const { RouteTableSet = [] } = await this.#call<{ readonly RouteTableSet?: readonly CloudRouteTable[] }>(
      route,
      'DescribeRouteTables',
      filter,
    );
    const [table] = RouteTableSet;
    if (table === undefined) throw new Error(`the VPC ${vpcId} has no route table`);
    const isSame = (each: CloudRoute): boolean =>
      each.GatewayType === GATEWAY_TYPE && each.GatewayId === route.gateway && each.Enabled !== false;
    const found = table.RouteSet.filter((each) => isUserRoute(each, route));
    return { table, same: found.some(isSame), others: found.filter((each) => !isSame(each)) };
  }

  #delete(route: CloudRouteObject, table: CloudRouteTable, routes: readonly CloudRoute[]): Promise<unknown> {
    const Routes = routes.map(({ RouteId }) => ({ RouteId }));
    return this.#call(route, 'DeleteRoutes', { RouteTableId: table.RouteTableId, Routes });
  }

  #call<Response>(route: CloudRouteObject, action: string, parameters: object): Promise<Response> {
    const { region = '' } = this.#place ?? {};
    return callTencent<Response>(this.#fetch, this.#credentials(route), { action, region, parameters });
  }

  #credentials({ accessKeyId, accessKeySecret }: CloudRouteObject): TencentCredentials {
    const secretId = accessKeyId === '' ? this.#env['ACCESS_KEY_ID'] : accessKeyId;
    const secretKey = accessKeySecret?.reveal() ?? this.#env['ACCESS_KEY_SECRET'];
    if (secretId !== undefined && secretKey !== undefined) return { secretId, secretKey };
    throw new Error(
      'no credentials: set AccessKeyID and AccessKeySecret in the network config, or ACCESS_KEY_ID and ACCESS_KEY_SECRET in the environment of the daemon',
    );
  }
}

function isUserRoute(found: CloudRoute, { destination }: CloudRouteObject): boolean {
  return found.DestinationCidrBlock === destination && found.RouteType !== 'NETD';
}
