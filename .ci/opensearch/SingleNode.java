import java.nio.file.Path;
import java.util.List;
import java.util.Map;

import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.ingest.common.IngestCommonPlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.painless.PainlessPlugin;
import org.opensearch.script.mustache.MustachePlugin;
import org.opensearch.transport.Netty4Plugin;

/**
 * An OpenSearch of one node, with the modules that an index template and an ingest
 * pipeline need. Its arguments are the directory of its data, and the port of 127.0.0.1
 * on which it serves HTTP. It runs until it is killed.
 */
final class SingleNode extends Node {
	private SingleNode(Environment environment) {
		super(environment, List.of(Netty4Plugin.class, PainlessPlugin.class, MustachePlugin.class,
			CommonAnalysisPlugin.class, IngestCommonPlugin.class), true);
	}

	public static void main(String[] args) throws Exception {
		Settings settings = Settings.builder()
			.put("path.home", args[0])
			.put("discovery.type", "single-node")
			.put("network.host", "127.0.0.1")
			.put("http.port", args[1])
			.put("transport.port", "0")
			// Otherwise indexes are read-only on a machine whose disk is nearly full.
			.put("cluster.routing.allocation.disk.threshold_enabled", false)
			.build();
		Path config = Path.of(args[0], "config");
		new SingleNode(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), config, () -> "test")).start();
		Thread.currentThread().join(); // The threads of a node are daemons: they do not keep the process.
	}
}
