import assert from 'node:assert/strict';
import { Secret } from '../../../lib/secret.ts';
import type { CloudRouteObject } from '../../../backends/kernel-state.ts';
import { cidr, ip4 } from '../../../backends/fixture.ts';
import { CloudRoutes } from './cloud-routes.ts';
import { tc3Authorization } from './tc3-signature.ts';
import type { CloudRoute, Fetch } from './tencent-api.ts';

const ROUTE: CloudRouteObject = {
  kind: 'cloud-route',
  destination: cidr('10.5.2.0/24'),
  gateway: ip4('172.16.0.2'),
  accessKeyId: 'AKID',
  accessKeySecret: new Secret('key'),
};

/** The API and the metadata service, with one route table. */
class FakeCloud {
  routes: CloudRoute[] = [];
  readonly calls: string[] = [];
  failure: string | undefined;
  #lastId = 0;

  readonly fetch: Fetch = (url, { body = '', headers = {} }) => {
    const text = url.startsWith('http://metadata') ? this.#metadata(url) : this.#answer(body, headers);
    return Promise.resolve({ status: 200, text: () => Promise.resolve(text) });
  };

  #metadata(url: string): string {
    if (url.endsWith('/placement/region')) return 'ap-guangzhou';
    return url.endsWith('/mac')
      ? '52:54:00:00:00:01'
      : `vpc-1${url.includes('52:54:00:00:00:01') ? '' : '?'}`;
  }

  #answer(body: string, headers: Readonly<Record<string, string>>): string {
    const timestampSec = Number(headers['X-TC-Timestamp']);
    const request = { host: 'vpc.tencentcloudapi.com', service: 'vpc', payload: body, timestampSec };
    if (headers['Authorization'] !== tc3Authorization(request, 'AKID', 'key'))
      return error('AuthFailure.SignatureFailure', 'The provided credentials could not be validated.');
    if (headers['X-TC-Region'] !== 'ap-guangzhou') return error('UnsupportedRegion', 'unsupported');
    const action = headers['X-TC-Action'] ?? '';
    this.calls.push(action);
    if (this.failure === action) return error('LimitExceeded', 'too\nmany');
    const parameters = JSON.parse(body) as {
      readonly Filters: readonly object[];
      readonly Routes: readonly CloudRoute[];
    };
    if (action === 'DescribeRouteTables') {
      assert.deepEqual(parameters.Filters, [{ Name: 'vpc-id', Values: ['vpc-1'] }]);
      return answer({ RouteTableSet: [{ RouteTableId: 'rtb-1', RouteSet: this.routes }] });
    }
    if (action === 'CreateRoutes')
      for (const route of parameters.Routes)
        this.routes.push({ ...route, RouteId: ++this.#lastId, RouteType: 'USER' });
    else
      this.routes = this.routes.filter(
        ({ RouteId }) => !parameters.Routes.some((route) => route.RouteId === RouteId),
      );
    return answer({});
  }
}

function answer(response: object): string {
  return JSON.stringify({ Response: { RequestId: '1', ...response } });
}

function error(Code: string, Message: string): string {
  return answer({ Error: { Code, Message } });
}

describe('routes of a cloud', () => {
  let cloud: FakeCloud;
  let routes: CloudRoutes;
  beforeEach(() => {
    cloud = new FakeCloud();
    routes = new CloudRoutes(cloud.fetch, {});
  });
  const shown = (): string[] =>
    cloud.routes.map((route) => `${route.DestinationCidrBlock} ${route.GatewayId}`);
  const put = (GatewayId: string, changes: Partial<CloudRoute> = {}): void => {
    const RouteId = 100 + cloud.routes.length;
    const common = { DestinationCidrBlock: '10.5.2.0/24', GatewayType: 'NORMAL_CVM', RouteType: 'USER' };
    cloud.routes.push({ ...common, GatewayId, RouteId, Enabled: true, ...changes });
  };
  const applied = async (action: 'set' | 'remove', route = ROUTE): Promise<string> => {
    const outcome = await routes.apply(action, route);
    return outcome.status === 'done' ? 'done' : outcome.message;
  };

  it('has the route of this host, made once', async () => {
    assert.equal(await applied('set'), 'done');
    assert.deepEqual(cloud.routes, [
      {
        DestinationCidrBlock: '10.5.2.0/24',
        GatewayType: 'NORMAL_CVM',
        GatewayId: '172.16.0.2',
        Enabled: true,
        RouteDescription: 'weft',
        RouteId: 1,
        RouteType: 'USER',
      },
    ]);
    assert.deepEqual(routes.list(), [ROUTE]);
    await new CloudRoutes(cloud.fetch, {}).apply('set', ROUTE);
    assert.deepEqual(cloud.calls, ['DescribeRouteTables', 'CreateRoutes', 'DescribeRouteTables']);
  });

  it('replaces a disabled one, and one to the host that had the subnet before; others stay', async () => {
    put('172.16.0.2', { Enabled: false });
    put('172.16.0.9');
    put('172.16.0.9', { DestinationCidrBlock: '10.5.9.0/24' });
    put('local', { RouteType: 'NETD', GatewayType: 'LOCAL' });
    assert.equal(await applied('set'), 'done');
    assert.deepEqual(shown().sort(), [
      '10.5.2.0/24 172.16.0.2',
      '10.5.2.0/24 local',
      '10.5.9.0/24 172.16.0.9',
    ]);
  });

  it('removes the route of this host alone', async () => {
    await applied('set');
    put('172.16.0.9', { DestinationCidrBlock: '10.5.9.0/24' });
    assert.equal(await applied('remove'), 'done');
    assert.deepEqual(shown(), ['10.5.9.0/24 172.16.0.9']);
    assert.deepEqual(routes.list(), []);
  });

  it('takes the key from the environment of the daemon', async () => {
    const bare = { ...ROUTE, accessKeyId: '', accessKeySecret: undefined };
    assert.match(await applied('set', bare), /no credentials: set AccessKeyID and AccessKeySecret/);
    routes = new CloudRoutes(cloud.fetch, { ACCESS_KEY_ID: 'AKID', ACCESS_KEY_SECRET: 'key' });
    assert.equal(await applied('set', bare), 'done');
  });

  it('reports what the API rejects in one line, without the key', async () => {
    const message = await applied('set', { ...ROUTE, accessKeySecret: new Secret('topsecret') });
    assert.match(
      message,
      /^Cannot set the route 10\.5\.2\.0\/24 in Tencent Cloud: .*AuthFailure\.SignatureFailure/,
    );
    assert.ok(!message.includes('topsecret'));
    cloud.failure = 'CreateRoutes';
    assert.match(await applied('set'), /CreateRoutes is rejected: LimitExceeded: too\\nmany$/);
    assert.deepEqual(routes.list(), []);
  });
});
