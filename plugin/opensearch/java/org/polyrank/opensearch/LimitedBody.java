package org.polyrank.opensearch;

import java.io.IOException;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;

/** Collects a response body up to a limit: an answer without end must not fill the node's heap. */
final class LimitedBody implements BodySubscriber<byte[]> {
    private final BodySubscriber<byte[]> collector = BodySubscribers.ofByteArray();
    private final CompletableFuture<byte[]> body = new CompletableFuture<>();
    private final long limitBytes;
    private Flow.Subscription subscription;
    private long receivedBytes;

    private LimitedBody(long limitBytes) {
        this.limitBytes = limitBytes;
        collector.getBody().whenComplete((bytes, error) -> {
            if (error == null) body.complete(bytes);
            else body.completeExceptionally(error);
        });
    }

    static BodyHandler<byte[]> handler(long limitBytes) {
        return info -> new LimitedBody(limitBytes);
    }

    @Override
    public CompletionStage<byte[]> getBody() {
        return body;
    }

    @Override
    public void onSubscribe(Flow.Subscription newSubscription) {
        subscription = newSubscription;
        collector.onSubscribe(newSubscription);
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
        for (ByteBuffer buffer : buffers) receivedBytes += buffer.remaining();
        if (receivedBytes <= limitBytes) {
            collector.onNext(buffers);
            return;
        }
        subscription.cancel();
        body.completeExceptionally(new IOException("the answer is larger than " + limitBytes + " bytes"));
    }

    @Override
    public void onError(Throwable error) {
        collector.onError(error);
    }

    @Override
    public void onComplete() {
        collector.onComplete();
    }
}
