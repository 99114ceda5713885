import java.nio.file.Path;
import org.opensearch.common.settings.KeyStoreWrapper;

/** Writes a node's keystore: `KeepSecret FOLDER NAME`, the value on standard input. */
final class KeepSecret {
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        KeyStoreWrapper keystore = KeyStoreWrapper.load(folder);
        if (keystore == null) keystore = KeyStoreWrapper.create();
        else keystore.decrypt(new char[0]);
        keystore.setString(arguments[1], new String(System.in.readAllBytes()).strip().toCharArray());
        keystore.save(folder, new char[0]);
    }
}
