package org.polyrank.opensearch;

import org.opensearch.cluster.service.ClusterService;
import org.opensearch.core.xcontent.NamedXContentRegistry;
import org.opensearch.threadpool.ThreadPool;
import org.opensearch.transport.client.Client;

/** What one node lends to every search: OpenSearch's own services and the pool of model services. */
record Engine(
    Client client,
    ThreadPool threadPool,
    ClusterService clusterService,
    ServicePool services,
    VectorFields vectorFields,
    Schemas schemas,
    Throughput throughput,
    LastSearch lastSearch,
    NamedXContentRegistry xContentRegistry
) {}
