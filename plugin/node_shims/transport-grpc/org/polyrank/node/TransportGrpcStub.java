package org.polyrank.node;

import org.opensearch.plugins.ExtensiblePlugin;
import org.opensearch.plugins.Plugin;

/**
 * Stands where the gRPC transport module stands in the full distribution. The k-NN plugin declares that it extends
 * that module and is refused without it; the node here speaks HTTP alone, so the stub only carries the SPI classes.
 */
public final class TransportGrpcStub extends Plugin implements ExtensiblePlugin {}
